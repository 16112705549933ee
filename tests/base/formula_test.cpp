#include "soret/base/formula.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/base/error.hpp"

namespace soret {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string message(const std::string& text) {
  try {
    const Formula formula(text, {"q1", "q2"});
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << text << " was taken";
  return "";
}

TEST(Formula, EvaluatesManyPlacesAtOnce) {
  const Formula formula("1 + q1*sin(2*pi*q2) - q2^2", {"q1", "q2"});
  constexpr int kPlaces = 1031;  // several bulks and a rest
  std::vector<double> x(kPlaces), y(kPlaces), out(kPlaces);
  for (int k = 0; k < kPlaces; ++k) x[k] = 0.01 * k - 3, y[k] = 1.7 - 0.003 * k;
  const std::vector<const double*> rows = {x.data(), y.data()};
  formula.evaluate(rows, out);
  for (int k = 0; k < kPlaces; ++k)
    EXPECT_NEAR(out[k], 1 + x[k] * std::sin(2 * M_PI * y[k]) - y[k] * y[k], 1e-14) << k;
  const std::vector<double> place = {x[7], y[7]};
  EXPECT_EQ(formula(place), out[7]);
}

TEST(Formula, CopiesAreIndependent) {
  const Formula original("q*q", {"q"});
  Formula copy = original;
  const double two = 2, three = 3;
  EXPECT_EQ(original({&two, 1}), 4);
  EXPECT_EQ(copy({&three, 1}), 9);
  copy = Formula("1 + q", {"q"});
  EXPECT_EQ(copy({&three, 1}), 4);
  EXPECT_EQ(original({&three, 1}), 9);
  EXPECT_EQ(original.text(), "q*q");
}

TEST(Formula, ConstantsNeedNoVariable) {
  const double nowhere = 0;
  EXPECT_EQ(Formula("2.5", {"q"})({&nowhere, 1}), 2.5);
}

TEST(Formula, ErrorsPointAtTheCharacter) {
  EXPECT_THAT(message("1 + 0.5*sin(2*pi*x)"),
              AllOf(HasSubstr("unknown name 'x'"), HasSubstr("q1, q2"), HasSubstr("character 18"),
                    HasSubstr("\n  1 + 0.5*sin(2*pi*x)\n                   ^")));
  EXPECT_THAT(message("1 + sn(q1)"),
              AllOf(HasSubstr("'sn'"), HasSubstr("character 5"), HasSubstr("did you mean")));
  EXPECT_THAT(message("1 + * q1"), HasSubstr("character 5"));
  EXPECT_THAT(message("(1 + q1"), HasSubstr(")"));
  EXPECT_THAT(message("1 + "), HasSubstr("end"));
  EXPECT_THAT(message("q1, q2"), HasSubstr("more than one value"));
  EXPECT_THAT(message("q1 $ 2"), HasSubstr("character 4"));
  EXPECT_THAT(message("  "), HasSubstr("empty"));
}

}  // namespace
}  // namespace soret
