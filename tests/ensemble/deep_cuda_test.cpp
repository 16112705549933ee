#include <gtest/gtest.h>

#include <cstdlib>

#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/ensemble/deep_cuda.hpp"
#include "tests/ensemble/deep_replay.hpp"
#include "tests/ensemble/deep_team_run.hpp"

namespace soret::deep {
namespace {

/// Skips where there is no device, unless SORET_REQUIRE_GPU=1 says that there must be one.
class DeepCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_cuda_device()) return;
    const char* required = std::getenv("SORET_REQUIRE_GPU");
    if (required != nullptr && std::string_view(required) == "1")
      FAIL() << "SORET_REQUIRE_GPU=1, but no CUDA device";
    GTEST_SKIP() << "no CUDA device";
  }
};

/// Weights in shared memory, too large for it, and scratch too large for it (a batch of 70 of them).
const std::vector<DeepShape> kCudaShapes = {
    {3, 5, 4, 1}, {17, 33, 3, 19}, {100, 100, 6, 1}, {130, 300, 4, 2}};

// The team on the CPU and on the device sums in the same order with correctly rounded operations.
TEST_F(DeepCuda, TrainsToTheBitsOfTheSerialTeam) {
  int k = 0;
  for (const DeepShape& shape : kCudaShapes) {
    for (const Activation activation : kDeepActivations) {
      for (const auto& [batch, momentum] :
           {std::pair{1, 0.0F}, std::pair{1, 0.9F}, std::pair{5, 0.0F}, std::pair{70, 0.0F}}) {
        for (const Sampling sampling : {Sampling::fresh, Sampling::without_replacement}) {
          Problem p = deep_problem(shape, activation, kDeepLosses[k++ % 3]);
          p.batch_size = batch;
          p.momentum = momentum;
          p.sampling = sampling;
          p.learning_rate = 0.02F;
          if (sampling != Sampling::fresh)
            p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
          EXPECT_EQ(train_cuda(p, 5, 0), initial_parameters(p, 5)) << describe(p);
          EXPECT_EQ(train_cuda(p, 5, 11), train_team(p, 5, 11)) << describe(p);
        }
      }
    }
  }
}

TEST_F(DeepCuda, RecordsLikeTheCpu) {
  std::vector<Observable> all;
  for (int o = 0; o < kObservables; ++o) all.push_back(static_cast<Observable>(o));
  const std::vector<std::int64_t> steps = {0, 1, 7, 20};
  std::vector<Problem> problems;
  std::vector<Request> requests;
  for (const float rate : {0.01F, 0.02F}) {
    for (const DeepShape& shape : kCudaShapes) {
      Problem p = deep_problem(shape, Activation::tanh, Loss::softmax);
      p.learning_rate = rate;
      p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
      p.probe = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 13, true));
      problems.push_back(p);
      requests.push_back({3, 4, steps, all});
    }
  }
  const auto got = run_cuda(problems, requests);
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const Records expected = run_cpu(problems[i], requests[i]);
    EXPECT_EQ(got[i].diverged_at, expected.diverged_at);
    for (std::size_t k = 0; k < expected.values.size(); ++k)
      EXPECT_NEAR(got[i].values[k], expected.values[k], 2e-4 * (1e-3 + std::abs(expected.values[k])))
          << describe(problems[i]) << " value " << k;
  }
}

TEST_F(DeepCuda, MarksDivergenceLikeTheCpu) {
  Problem p = deep_problem({10, 12, 3, 1}, Activation::relu, Loss::squared);
  p.learning_rate = 30.0F;
  std::vector<std::int64_t> steps(80);
  for (std::size_t k = 0; k < steps.size(); ++k) steps[k] = static_cast<std::int64_t>(k);
  const std::vector<Observable> observables = {Observable::parameter_norm};
  const Request request{0, 20, steps, observables};
  EXPECT_EQ(run_cuda({&p, 1}, {&request, 1})[0].diverged_at, run_cpu(p, request).diverged_at);
}

TEST(DeepCudaAbsent, AsksForADeviceInWords) {
  if (find_cuda_device()) GTEST_SKIP() << "there is a CUDA device";
  try {
    train_cuda(deep_problem({3, 5, 4, 1}, Activation::relu, Loss::logistic), 0, 1);
    FAIL() << "no error";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("--backend cpu"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace soret::deep
