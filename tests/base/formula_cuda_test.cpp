#include "soret/base/formula_cuda.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"

#if defined(SORET_HAVE_CUDA)
#include "soret/base/formula_library.hpp"

extern "C" const unsigned char soret_formula_kernels[];
extern "C" const unsigned char soret_formula_kernels_end[];
#endif

namespace soret {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kVariables = {"q1", "q2"};

TEST(FormulaSource, IsOneFunctionOfAllFormulas) {
  const std::vector<FormulaTree> formulas = {{"1 + q1^2", kVariables},
                                             {"q2 < 0.5 ? min(q1, q2, 3) : 2", kVariables}};
  EXPECT_THAT(formula_cuda_source(formulas),
              HasSubstr("extern \"C\" __device__ void soret_formulas(const double* x, double* values) {\n"
                        "  const double value_0 = (0x1p+0 + soret_power_2(x[0]));\n"
                        "  const double value_1 = ((((x[1] < 0x1p-1) ? 1.0 : 0.0) != 0.0) ? "
                        "soret_min(soret_min(x[0], x[1]), 0x1.8p+1) : 0x1p+1);\n"
                        "  values[0] = value_0;\n"
                        "  values[1] = value_1;\n"
                        "}\n"));
}

#if defined(SORET_HAVE_CUDA)

std::span<const unsigned char> module() {
  return {soret_formula_kernels, soret_formula_kernels_end};
}

/// Every function and operator of the grammar.
const std::vector<std::string> kAll = {
    "sin(q1) + cos(q2)*tan(q1) - asin(q1/4)/acos(q2/4)",
    "atan(q1) + sinh(q2) + cosh(q1) + tanh(q2)",
    "asinh(q1) + acosh(2 + q1^2) + atanh(q2/4)",
    "exp(q1) + log(4 + q2) + log2(4 + q2) + log10(4 + q2) + ln(5 + q1)",
    "sqrt(q1^2 + 1) + sign(q2) + rint(3*q1) + abs(q2)",
    "atan2(q1, q2) + sum(q1, q2, 1) + avg(q1, q2) + min(q1, q2, 0) + max(q1)",
    "q1^3 + q1^4 + (q1 + 4)^q2 + 2^-q1^2 - -q2",
    "(q1 < q2) + 2*(q1 > q2) + 4*(q1 <= 1) + 8*(q2 >= 1) + 16*(q1 == q1) + 32*(q1 != q1)",
    "q1 > 0 && q2 > 0 || q1 < -1 ? pi*q1 : _pi*q2 - _e",
    "1 + 0.5*sin(2*pi*q1)",
};

TEST(FormulaLink, MakesMachineCodeWithoutADevice) {
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  std::vector<FormulaTree> formulas;
  for (const std::string& text : kAll) formulas.emplace_back(text, kVariables);
  for (const int architecture : {90, 100}) {
    const std::vector<char> code = link_formulas(module(), "evaluate_formulas", formulas, architecture);
    const std::string text(code.begin(), code.end());
    EXPECT_TRUE(
        text.starts_with("\x7f"
                         "ELF"));
    EXPECT_NE(text.find(".text.evaluate_formulas"), std::string::npos);
  }
  EXPECT_THROW(link_formulas(module(), "evaluate_formulas", formulas, 1), RunError);
}

TEST(FormulaCuda, EvaluatesLikeTheTree) {
  if (!find_cuda_device()) {
    const char* required = std::getenv("SORET_REQUIRE_GPU");
    if (required != nullptr && std::string_view(required) == "1")
      FAIL() << "SORET_REQUIRE_GPU=1, but no CUDA device";
    GTEST_SKIP() << "no CUDA device";
  }
  if (const std::string missing = missing_formula_compiler(); !missing.empty()) GTEST_SKIP() << missing;
  constexpr int kPlaces = 1031;
  std::vector<double> x(2 * kPlaces);
  for (int k = 0; k < kPlaces; ++k) x[2 * k] = 0.003 * k - 1.5, x[2 * k + 1] = 1.7 - 0.0031 * k;
  for (std::size_t i = 0; i + 1 < kAll.size(); i += 2) {
    const std::vector<FormulaTree> formulas = {{kAll[i], kVariables}, {kAll[i + 1], kVariables}};
    const cuda::FormulaKernel kernel(module(), "evaluate_formulas", formulas);
    const cuda::Buffer<double> from{std::span<const double>(x)};
    const cuda::Buffer<double> to(x.size());
    const double* in = from.data();
    double* out = to.data();
    int places = kPlaces;
    void* arguments[] = {&in, &places, &out};
    SORET_CUDA_CHECK(cudaLaunchKernel(kernel.get(), dim3(9), dim3(128), arguments, 0, nullptr));
    const std::vector<double> got = to.download(x.size());
    for (int k = 0; k < kPlaces; ++k) {
      for (int f = 0; f < 2; ++f) {
        const double expected = formulas[f]({&x[2 * k], 2});
        // The functions of CUDA and of the C library are within two units in the last place of each other.
        EXPECT_NEAR(got[2 * k + f], expected, 1e-14 * (1 + std::abs(expected)))
            << kAll[i + f] << " place " << k;
      }
    }
  }
}

#endif

}  // namespace
}  // namespace soret
