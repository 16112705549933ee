#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/ensemble/two_layer_cuda.hpp"
#include "tests/ensemble/team_run.hpp"

namespace soret::two_layer {
namespace {

/// Skips where there is no device, unless SORET_REQUIRE_GPU=1 says that there must be one.
class TwoLayerCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_cuda_device()) return;
    const char* required = std::getenv("SORET_REQUIRE_GPU");
    if (required != nullptr && std::string_view(required) == "1")
      FAIL() << "SORET_REQUIRE_GPU=1, but no CUDA device";
    GTEST_SKIP() << "no CUDA device";
  }
};

struct Size {
  int inputs, hidden, outputs;
};

/// Every kind of kernel: part of a warp, a warp, several warps with one, two and four lanes per row, weights
/// in memory with one and with two rows per thread.
const std::vector<Size> kSizes = {{1, 1, 1},     {3, 5, 2},   {10, 10, 1},   {30, 30, 1},  {17, 33, 3},
                                  {100, 100, 1}, {64, 64, 4}, {784, 100, 1}, {5, 1500, 2}, {1700, 3, 1}};

Problem make(Size size, Loss loss = Loss::logistic) {
  Problem p;
  p.inputs = size.inputs;
  p.hidden = size.hidden;
  p.outputs = loss == Loss::logistic ? 1 : loss == Loss::softmax ? size.outputs + 1 : size.outputs;
  p.loss = loss;
  p.teacher_hidden = 7;
  p.learning_rate = 0.01F;
  p.seed = 77;
  return p;
}

std::string describe(const Problem& p) {
  return ::testing::PrintToString(std::tuple(p.inputs, p.hidden, p.outputs, static_cast<int>(p.activation),
                                             static_cast<int>(p.loss), static_cast<int>(p.input_kind),
                                             static_cast<int>(p.label_kind), static_cast<int>(p.sampling),
                                             p.batch_size, p.momentum));
}

// The team on the CPU and on the device sums in the same order with correctly rounded operations.
TEST_F(TwoLayerCuda, TrainsToTheBitsOfTheSerialTeam) {
  for (const Size size : kSizes) {
    for (const auto& [batch, momentum] : {std::pair{1, 0.0F}, std::pair{1, 0.9F}, std::pair{6, 0.0F}}) {
      for (const auto activation :
           {Activation::relu, Activation::leaky_relu, Activation::tanh, Activation::gelu}) {
        for (const Loss loss : {Loss::logistic, Loss::softmax, Loss::squared}) {
          Problem p = make(size, loss);
          p.batch_size = batch;
          p.momentum = momentum;
          p.activation = activation;
          EXPECT_TRUE(same_bits(train_cuda(p, 5, 0), initial_parameters(p, 5))) << describe(p);
          EXPECT_TRUE(same_bits(train_cuda(p, 5, 20), train_team(p, 5, 20))) << describe(p);
        }
      }
    }
  }
}

TEST_F(TwoLayerCuda, DrawsEveryKindOfDataLikeTheSerialTeam) {
  for (const Size size : kSizes) {
    for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
      for (const Labels labels : {Labels::random, Labels::teacher}) {
        for (const Sampling sampling :
             {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
          for (const int batch : {1, 5}) {
            Problem p = make(size);
            p.input_kind = inputs;
            p.label_kind = labels;
            p.sampling = sampling;
            p.batch_size = batch;
            give_sets(p);
            EXPECT_TRUE(same_bits(train_cuda(p, 5, 9), train_team(p, 5, 9))) << describe(p);
          }
        }
      }
    }
  }
}

struct Scan {
  std::vector<Problem> problems;
  std::vector<Request> requests;
};

/// One problem of each size and batch size, all with the same request.
Scan many(const Request& request) {
  Scan scan;
  for (const Size size : kSizes) {
    for (const int batch : {1, 3}) {
      for (const float rate : {0.01F, 0.02F}) {
        Problem p = make(size, size.outputs > 1 ? Loss::softmax : Loss::logistic);
        p.batch_size = batch;
        p.learning_rate = rate;
        give_sets(p);
        scan.problems.push_back(p);
        scan.requests.push_back(request);
      }
    }
  }
  return scan;
}

TEST_F(TwoLayerCuda, RecordsEveryObservableOfEveryTrajectoryLikeTheCpu) {
  const std::vector<std::int64_t> steps = {0, 1, 2, 7, 20};
  const auto observables = all_observables();
  const Scan scan =
      many({.first_trajectory = 3, .trajectories = 5, .record_steps = steps, .observables = observables});
  const auto got = run_cuda(scan.problems, scan.requests);
  ASSERT_EQ(got.size(), scan.problems.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Records expected = run_cpu(scan.problems[i], scan.requests[i]);
    EXPECT_EQ(got[i].diverged_at, expected.diverged_at) << describe(scan.problems[i]);
    ASSERT_EQ(got[i].values.size(), expected.values.size());
    for (std::size_t k = 0; k < expected.values.size(); ++k) {
      // A parameter carries the rounding of 20 steps; a probe sample at a kink may count on either side.
      EXPECT_NEAR(got[i].values[k], expected.values[k], 2e-4 * (1 + std::abs(expected.values[k])))
          << describe(scan.problems[i]) << " value " << k;
    }
  }
}

TEST_F(TwoLayerCuda, ATrajectoryDoesNotDependOnWhatElseRuns) {
  const std::vector<std::int64_t> steps = {0, 5, 300, 1000};
  const std::vector<Observable> observables = {Observable::v_norm, Observable::w_norm,
                                               Observable::gradient_variance};
  const Scan scan =
      many({.first_trajectory = 0, .trajectories = 4, .record_steps = steps, .observables = observables});
  const auto together = run_cuda(scan.problems, scan.requests);
  const std::vector<std::int64_t> last = {1000};
  for (std::size_t i = 0; i < scan.problems.size(); ++i) {
    Request alone = scan.requests[i];
    alone.first_trajectory = 2;
    alone.trajectories = 1;
    alone.record_steps = last;
    const auto one = run_cuda({&scan.problems[i], 1}, {&alone, 1});
    for (std::size_t o = 0; o < observables.size(); ++o)
      EXPECT_EQ(one[0].values[o], together[i].values[(o * steps.size() + 3) * 4 + 2])
          << describe(scan.problems[i]);
  }
}

TEST_F(TwoLayerCuda, MarksDivergenceLikeTheCpu) {
  Problem p = make({10, 10, 1}, Loss::squared);
  p.learning_rate = 50.0F;
  std::vector<std::int64_t> steps(80);
  for (std::size_t k = 0; k < steps.size(); ++k) steps[k] = static_cast<std::int64_t>(k);
  const std::vector<Observable> observables = {Observable::v_norm};
  const Request request{.trajectories = 40, .record_steps = steps, .observables = observables};
  const auto got = run_cuda({&p, 1}, {&request, 1});
  const Records expected = run_cpu(p, request);
  EXPECT_EQ(got[0].diverged_at, expected.diverged_at);
  for (std::size_t k = 0; k < expected.values.size(); ++k)
    EXPECT_EQ(std::isnan(got[0].values[k]), std::isnan(expected.values[k]));
}

TEST_F(TwoLayerCuda, StopsWhenAsked) {
  const Problem p = make({100, 100, 1});
  const std::vector<std::int64_t> steps = {std::int64_t{1} << 40};
  const std::vector<Observable> observables = {Observable::v_norm};
  std::atomic<bool> stop = false;
  const Request request{
      .trajectories = 1000, .record_steps = steps, .observables = observables, .stop = &stop};
  std::jthread watcher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop = true;
  });
  EXPECT_THROW(run_cuda({&p, 1}, {&request, 1}), Stopped);
}

TEST(TwoLayerCudaAbsent, AsksForADeviceInWords) {
  if (find_cuda_device()) GTEST_SKIP() << "there is a CUDA device";
  const Problem p = make({10, 10, 1});
  try {
    train_cuda(p, 0, 1);
    FAIL() << "no error";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("--backend cpu"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace soret::two_layer
