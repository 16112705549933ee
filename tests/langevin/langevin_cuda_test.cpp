#include "soret/langevin/langevin_cuda.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula_cuda.hpp"
#include "soret/langevin/formula_kernels.hpp"
#include "tests/langevin/langevin_backend.hpp"

#if defined(SORET_HAVE_CUDA)
extern "C" const unsigned char soret_langevin_formula[];
extern "C" const unsigned char soret_langevin_formula_end[];
#endif

namespace soret::langevin {
namespace {

const BackendUnderTest kCuda{walk_cuda, observe_cuda};

/// Skips where there is no device, unless SORET_REQUIRE_GPU=1 says that there must be one.
class LangevinCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_cuda_device()) return;
    const char* required = std::getenv("SORET_REQUIRE_GPU");
    if (required != nullptr && std::string_view(required) == "1")
      FAIL() << "SORET_REQUIRE_GPU=1, but no CUDA device";
    GTEST_SKIP() << "no CUDA device";
  }
};

TEST_F(LangevinCuda, WalksToTheBitsOfTheCpu) {
  walks_to_the_bits_of_the_cpu(kCuda);
}
TEST_F(LangevinCuda, WalksOnFormulas) {
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  walks_on_formulas(kCuda);
}
TEST_F(LangevinCuda, ServesEveryDimension) {
  serves_every_dimension(kCuda);
}
TEST_F(LangevinCuda, StartsLikeTheCpu) {
  starts_like_the_cpu(kCuda);
}
TEST_F(LangevinCuda, ObservesToTheBitsOfTheCpu) {
  observes_to_the_bits_of_the_cpu(kCuda);
}
TEST_F(LangevinCuda, CountsBasinsLikeTheCpu) {
  counts_basins_like_the_cpu(kCuda);
}
TEST_F(LangevinCuda, MarksDivergenceLikeTheCpu) {
  marks_divergence_like_the_cpu(kCuda);
}
TEST_F(LangevinCuda, EscapesLikeTheCpu) {
  escapes_like_the_cpu(kCuda);
}

TEST_F(LangevinCuda, StopsWhenAsked) {
  Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  p.walkers = 100'000;
  Plan plan;
  plan.records = {std::int64_t{1} << 50};
  plan.observables = {Observable::mean};
  const Request request{&p, nullptr, 0, 1};
  std::atomic<bool> stop = false;
  std::jthread watcher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop = true;
  });
  EXPECT_THROW(observe_cuda(plan, {&request, 1}, &stop), Stopped);
}

#if defined(SORET_HAVE_CUDA)

/// Truth: every kernel that the driver may ask for is in the module, and a formula can be linked into it.
TEST(LangevinFormulaLink, MakesMachineCodeOfEveryKernelWithoutADevice) {
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  const std::span<const unsigned char> module(soret_langevin_formula, soret_langevin_formula_end);
  const auto link = [&](const std::string& kernel, int dimension) {
    const FormulaTree tree(formula(dimension).formula, landscape_variables(dimension));
    EXPECT_GT(link_formulas(module, kernel, {&tree, 1}, 90).size(), 1000U) << kernel;
  };
#define SORET_LINK(NAME, F) \
  link(#NAME, std::string_view(#NAME).find("plane") != std::string_view::npos ? 2 : 1);
  SORET_FORMULA_KERNELS(SORET_LINK, SORET_LINK)
#undef SORET_LINK
}

#endif

TEST(LangevinCudaAbsent, AsksForADeviceInWords) {
  if (find_cuda_device()) GTEST_SKIP() << "there is a CUDA device";
  const Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  try {
    walk_cuda(p, 0, 1);
    FAIL() << "no error";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("--backend cpu"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace soret::langevin
