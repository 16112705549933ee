#include "soret/base/formula_tree.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>

#include "soret/base/error.hpp"
#include "soret/base/formula.hpp"

namespace soret {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kVariables = {"q1", "q2"};

double value_of(const std::string& text, std::vector<double> x = {0.7, -1.3}) {
  return FormulaTree(text, kVariables)(x);
}

TEST(FormulaTree, BindsAsWritten) {
  EXPECT_EQ(value_of("-2^2"), -4);
  EXPECT_EQ(value_of("2^-3^2"), 1.0 / 512);
  EXPECT_EQ(value_of("2^3^2"), 512);
  EXPECT_EQ(value_of("2*-3^2"), -18);
  EXPECT_EQ(value_of("2 + + 3"), 5);
  EXPECT_EQ(value_of("3-2-1"), 0);
  EXPECT_EQ(value_of("8/4/2"), 1);
  EXPECT_EQ(value_of("1+2>1 ? 3 : 4"), 3);
  EXPECT_EQ(value_of("0 ? 1 : 0 ? 2 : 3+1"), 4);
  EXPECT_EQ(value_of("2==3<1"), 1);
  EXPECT_EQ(value_of("1||0&&0"), 1);
  EXPECT_EQ(value_of("-q1^2"), -(0.7 * 0.7));
  EXPECT_EQ(value_of(" .5e1 + 5. "), 10);
}

TEST(FormulaTree, KnowsTheFunctionsOfMuParser) {
  EXPECT_EQ(value_of("min(3, q2, 1)"), -1.3);
  EXPECT_EQ(value_of("max(3, q2, 4)"), 4);
  EXPECT_EQ(value_of("sum(1, 2, 3, 4, 5)"), 15);
  EXPECT_EQ(value_of("avg(1, 2, 6)"), 3);
  EXPECT_EQ(value_of("rint(-2.5)"), -2);
  EXPECT_EQ(value_of("sign(q2) + sign(0)"), -1);
  EXPECT_EQ(value_of("log(q1)"), std::log(0.7));
  EXPECT_EQ(value_of("sin(2*pi*q1)"), std::sin(2 * M_PI * 0.7));
  EXPECT_EQ(value_of("asinh(q2)"), std::asinh(-1.3));
  EXPECT_EQ(value_of("atan2(q1, q2)"), std::atan2(0.7, -1.3));
}

#if defined(SORET_HAVE_MUPARSER)
/// Random formulas in all of the grammar.
class Formulas {
 public:
  explicit Formulas(unsigned seed) : bits_(seed) {}

  std::string formula(int depth) {
    if (depth == 0) return leaf();
    switch (below(12)) {
      case 0:
        return "(" + formula(depth - 1) + ")";
      case 1:
        return formula(depth - 1) + "?" + formula(depth - 1) + " :" + formula(depth - 1);
      case 2: {
        static const char* const kOne[] = {"sin",   "cos",  "tan",   "asin",  "acos", "atan", "sinh",
                                           "cosh",  "tanh", "acosh", "atanh", "exp",  "log",  "log2",
                                           "log10", "ln",   "sqrt",  "abs",   "rint", "sign"};
        return fmt::format("{}({})", kOne[below(std::size(kOne))], formula(depth - 1));
      }
      case 3: {
        static const char* const kMany[] = {"min", "max", "sum", "avg"};
        std::string text = fmt::format("{}({}", kMany[below(4)], formula(depth - 1));
        for (std::size_t n = below(6); n > 0; --n) text += ", " + formula(depth - 1);
        return text + ")";
      }
      case 4:
        return fmt::format("atan2({}, {})", formula(depth - 1), formula(depth - 1));
      case 5:
        return "(" + std::string(below(2) == 0 ? "-" : "+") + formula(depth - 1) + ")";
      default: {
        static const char* const kBinary[] = {"+",  "-",  "*",  "/",  "^",  "<",  ">",
                                              "<=", ">=", "==", "!=", "&&", "||", "^2"};
        const std::string_view found = kBinary[below(std::size(kBinary))];
        if (found == "^2") return formula(depth - 1) + "^2";
        // Not of sums, where rounding would decide.
        if (found == "==" || found == "!=") return fmt::format("{}{}{}", leaf(), found, leaf());
        // Of numbers that it knows beforehand muParser drops the fractions before && and ||.
        if (found == "&&" || found == "||")
          return fmt::format("({})<({}){}({})!=0", formula(depth - 1), formula(depth - 1), found,
                             formula(depth - 1));
        const char* const sign = below(5) == 0 ? "-" : "";
        return fmt::format("{}{}{}{}", formula(depth - 1), found, sign, formula(depth - 1));
      }
    }
  }

 private:
  std::string leaf() {
    static const char* const kLeaves[] = {"q1", "q2", "pi", "_e", "1", "2", "3", "0.5", "1.5e-1", "0", "_pi"};
    return kLeaves[below(std::size(kLeaves))];
  }
  std::size_t below(std::size_t n) { return bits_() % n; }

  std::mt19937 bits_;
};

/// muParser's value and ours, to the rounding of a few operations; an ill-conditioned formula (a sine of
/// 10^15) amplifies it, so both are also evaluated at a neighbouring place.
TEST(FormulaTree, AgreesWithMuParserOnRandomFormulas) {
  Formulas formulas(20240607);
  int compared = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string text = formulas.formula(1 + i % 4);
    std::optional<Formula> theirs;
    try {
      theirs.emplace(text, kVariables);
    } catch (const ConfigError&) {
      EXPECT_THROW(FormulaTree(text, kVariables), ConfigError) << text;
      continue;
    }
    const FormulaTree ours(text, kVariables);
    for (const auto& place : {std::vector{0.7, -1.3}, {2.0, 0.5}, {-0.25, 3.0}}) {
      const double expected = (*theirs)(place);
      const double got = ours(place);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(got)) << text;
        continue;
      }
      double slack = 0;
      for (const double nudge : {1 - 1e-14, 1 + 1e-14}) {
        const std::vector<double> near = {place[0] * nudge, place[1] * nudge};
        slack = std::max(slack, std::abs((*theirs)(near)-expected));
      }
      if (!(slack < 1e-9 * std::abs(expected) + 1e-9)) continue;  // rounding decides
      ++compared;
      if (expected == got) continue;  // infinities among them
      EXPECT_NEAR(got, expected, 1e-11 * std::abs(expected) + 1e-11 + slack) << text;
    }
  }
  EXPECT_GT(compared, 6000);
}
#endif

std::string message(const std::string& text) {
  try {
    FormulaTree(text, kVariables);
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << text << " was taken";
  return "";
}

TEST(FormulaTree, ErrorsPointAtTheCharacter) {
  EXPECT_THAT(message("1 + 0.5*sin(2*pi*x)"),
              AllOf(HasSubstr("unknown name 'x'"), HasSubstr("q1, q2"), HasSubstr("character 18"),
                    HasSubstr("\n  1 + 0.5*sin(2*pi*x)\n                   ^")));
  EXPECT_THAT(message("1 + sn(q1)"),
              AllOf(HasSubstr("'sn'"), HasSubstr("character 5"), HasSubstr("did you mean")));
  EXPECT_THAT(message("1 + * q1"), HasSubstr("character 5"));
  EXPECT_THAT(message("(1 + q1"), HasSubstr("a ')' is missing"));
  EXPECT_THAT(message("1 + "), HasSubstr("unexpected end"));
  EXPECT_THAT(message("q1, q2"), HasSubstr("more than one value"));
  EXPECT_THAT(message("q1 $ 2"), HasSubstr("character 4"));
  EXPECT_THAT(message("  "), HasSubstr("empty"));
  EXPECT_THAT(message("1 ? 2"), HasSubstr("a ':' is missing"));
  EXPECT_THAT(message("sin(1, 2)"), HasSubstr("sin takes 1 argument, not 2"));
  EXPECT_THAT(message("sin 1"), HasSubstr("a '(' is missing after sin"));
  for (const char* text : {"--2", "2q1", "q1 q2", "2(3)", "()", "min()", "1e", "0x1F", "q1=3", "1.5.2", "1:2",
                           "max(1,,2)", "max(1,2,)", "1e999", "(3,4)", "3,4", ")"})
    EXPECT_NE(message(text), "") << text;
  EXPECT_THAT(message(std::string(100000, '(')), HasSubstr("too many brackets"));
  for (const std::string link : {"1+", "2^", "1?2:"}) {
    std::string chain = "1";
    for (int k = 0; k < 10000; ++k) chain.insert(0, link);
    EXPECT_THAT(message(chain), HasSubstr("more than 5000"));
  }
}

}  // namespace
}  // namespace soret
