#include "soret/walk/random_walk_cuda.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula_cuda.hpp"
#include "tests/walk/host_machine.hpp"
#include "tests/walk/walks.hpp"

namespace soret::walk {
namespace {

constexpr std::uint32_t kFirst = 1000;
constexpr std::int64_t kSteps = 201;

/// Skips where there is no device, unless SORET_REQUIRE_GPU=1 says that there must be one.
class RandomWalkCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_cuda_device()) return;
    const char* required = std::getenv("SORET_REQUIRE_GPU");
    if (required != nullptr && std::string_view(required) == "1")
      FAIL() << "SORET_REQUIRE_GPU=1, but no CUDA device";
    GTEST_SKIP() << "no CUDA device";
  }
};

bool rounds_alike(const Problem& p) {
  return p.field.kind != FieldKind::neuron && p.field.kind != FieldKind::formula;
}
bool can_run(const Problem& p) {
  return p.formulas.empty() || missing_formula_compiler().empty();
}

/// Walkers of fields that are made of functions of the C library or of CUDA part by their rounding.
void expect_near(const std::vector<std::vector<double>>& got,
                 const std::vector<std::vector<double>>& expected, const Problem& p) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), expected[i].size());
    for (std::size_t w = 0; w < got[i].size(); ++w) {
      if (same(got[i][w], expected[i][w])) continue;
      double d = std::abs(got[i][w] - expected[i][w]);
      if (p.boundary == Boundary::periodic) d = std::min(d, p.width() - d);
      EXPECT_LT(d, 1e-9 * (1 + std::abs(expected[i][w]))) << describe(p) << " walker " << w;
    }
  }
}

TEST_F(RandomWalkCuda, WalksToTheBitsOfTheCpu) {
  for (const Problem& p : every_walk()) {
    if (!can_run(p)) continue;
    const auto got = positions_cuda(p, kFirst, 131, kSteps);
    const auto expected = positions_cpu(p, kFirst, 131, kSteps);
    if (rounds_alike(p)) {
      EXPECT_TRUE(same(got, expected)) << describe(p);
    } else if (p.boundary != Boundary::line) {  // where a walk may run away, differences run with it
      expect_near(got, expected, p);
    }
  }
}

TEST_F(RandomWalkCuda, LaysOutGroupsOfEverySize) {
  Problem p;
  p.kick = Kick::gaussian;
  for (const int walkers : {1, 2, 31, 32, 131, 255, 256, 257, 1000, 2049})
    EXPECT_EQ(positions_cuda(p, 7, walkers, 3), positions_cpu(p, 7, walkers, 3)) << walkers;
}

// The thread block sums along the same tree as the CPU thread that plays it (random_walk_body_test.cpp).
TEST_F(RandomWalkCuda, RecordsToTheBitsOfThePlayedDevice) {
  const std::vector<std::int64_t> steps = {0, 3, 40, 65, 200};
  for (const int walkers : {5, 131, 1000}) {
    for (const int bins : {1, 37, 9001}) {
      for (const std::int64_t every : {0, 1, 7, 100}) {
        std::vector<Problem> problems;
        std::vector<Request> requests;
        for (const Problem& p : a_few_walks()) {
          auto observables = every_observable(p.dimensions);
          if (bins > 100 && p.dimensions > 1) observables = observables.first(observables.size() - 1);
          problems.push_back(p);
          requests.push_back({.first_group = 2,
                              .groups = 3,
                              .walkers = walkers,
                              .record_steps = steps,
                              .sample_every = every,
                              .bins = bins,
                              .observables = observables});
        }
        HostMachine played;
        const auto expected = run_on(played, problems, requests);
        const auto got = run_cuda(problems, requests);
        for (std::size_t i = 0; i < got.size(); ++i) {
          EXPECT_EQ(got[i].diverged_at, expected[i].diverged_at) << describe(problems[i]);
          EXPECT_TRUE(same({got[i].values}, {expected[i].values}))
              << describe(problems[i]) << ", " << walkers << " walkers, " << bins << " bins, every " << every;
        }
      }
    }
  }
}

TEST_F(RandomWalkCuda, AGroupDoesNotDependOnWhatElseRuns) {
  std::vector<std::int64_t> steps;
  for (int k = 0; k < 70; ++k) steps.push_back(50 * k);
  for (const Problem& p : a_few_walks()) {
    const auto observables = every_observable(p.dimensions);
    const Request all{.first_group = 0,
                      .groups = 300,
                      .walkers = 300,
                      .record_steps = steps,
                      .sample_every = 10,
                      .bins = 7,
                      .observables = observables};
    const auto together = run_cuda({&p, 1}, {&all, 1});
    Request one = all;
    one.first_group = 211;
    one.groups = 1;
    const auto alone = run_cuda({&p, 1}, {&one, 1});
    for (std::size_t k = 0; k < alone[0].values.size(); ++k)
      ASSERT_TRUE(same(alone[0].values[k], together[0].values[k * 300 + 211]))
          << describe(p) << " value " << k;
  }
}

TEST_F(RandomWalkCuda, AFormulaOfTheBuiltInFieldIsItsWalk) {
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  Problem built_in;
  built_in.field.strength = 0.5;
  Problem formula = built_in;
  formula.field.kind = FieldKind::formula;
  formula.formulas = {Formula("1 + 0.5*sin(2*pi*q)", {"q"})};
  expect_near(positions_cuda(formula, kFirst, 1031, 1000), positions_cuda(built_in, kFirst, 1031, 1000),
              formula);
  const std::vector<std::int64_t> steps = {0, 100, 200};
  const std::vector<Observable> observables = {Observable::amplitude_mean, Observable::position_mean};
  const Request r{.groups = 5, .walkers = 300, .record_steps = steps, .bins = 10, .observables = observables};
  const auto a = run_cuda({&formula, 1}, {&r, 1});
  const auto b = run_cuda({&built_in, 1}, {&r, 1});
  for (std::size_t k = 0; k < a[0].values.size(); ++k) EXPECT_NEAR(a[0].values[k], b[0].values[k], 1e-10);
}

TEST_F(RandomWalkCuda, StopsWhenAsked) {
  const Problem p;
  const std::vector<std::int64_t> steps = {std::int64_t{1} << 40};
  const std::vector<Observable> observables = {Observable::density};
  std::atomic<bool> stop = false;
  const Request request{
      .groups = 1000, .walkers = 1024, .record_steps = steps, .observables = observables, .stop = &stop};
  std::jthread watcher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop = true;
  });
  EXPECT_THROW(run_cuda({&p, 1}, {&request, 1}), Stopped);
}

TEST(RandomWalkCudaAbsent, AsksForADeviceInWords) {
  if (find_cuda_device()) GTEST_SKIP() << "there is a CUDA device";
  try {
    positions_cuda(Problem{}, 0, 2, 1);
    FAIL() << "no error";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("--backend cpu"), std::string::npos) << e.what();
  }
}

#if defined(SORET_HAVE_CUDA)
extern "C" const unsigned char soret_random_walk_formula[];
extern "C" const unsigned char soret_random_walk_formula_end[];

// All but the launch: the kernels of every number of coordinates link with formulas.
TEST(RandomWalkFormula, LinksWithoutADevice) {
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  for (int d = 0; d <= kRegisterDimensions; ++d) {
    const Problem p = walk_of(FieldKind::formula, d == 0 ? 6 : d);
    for (const char* kernel : {"walk_advance_", "walk_record_"}) {
      const auto code = link_formulas({soret_random_walk_formula, soret_random_walk_formula_end},
                                      kernel + std::to_string(d), driver::trees(p), 90);
      const std::string text(code.begin(), code.end());
      EXPECT_NE(text.find(".text." + std::string(kernel) + std::to_string(d)), std::string::npos);
    }
  }
}
#endif

}  // namespace
}  // namespace soret::walk
