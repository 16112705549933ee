#include "soret/base/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace soret {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Text, TrimsBlanksAtBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \t\r\n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Text, SplitsAtBlanksAndCommas) {
  EXPECT_THAT(split_words("0.1 0.2,0.3 ,\t0.4,"), ElementsAre("0.1", "0.2", "0.3", "0.4"));
  EXPECT_THAT(split_words(" , "), IsEmpty());
  EXPECT_THAT(split_words("a:b c", ":"), ElementsAre("a", "b c"));
}

TEST(Text, ReadsFiniteNumbersOnly) {
  EXPECT_EQ(parse_real("0.10"), 0.1);
  EXPECT_EQ(parse_real("+2e-3"), 2e-3);
  EXPECT_EQ(parse_real("-.5"), -0.5);
  for (const char* bad :
       {"", "x", "0.1x", "0.1 ", "nan", "inf", "-inf", "1e999", "+-1", "++1", "0,1", "0x10"})
    EXPECT_EQ(parse_real(bad), std::nullopt) << bad;
}

TEST(Text, ReadsIntegersHoweverTheyAreWritten) {
  EXPECT_EQ(parse_integer("20000"), 20000);
  EXPECT_EQ(parse_integer("1e3"), 1000);
  EXPECT_EQ(parse_integer("2.5e1"), 25);
  EXPECT_EQ(parse_integer("-7"), -7);
  EXPECT_EQ(parse_integer("9223372036854775807"), 9223372036854775807);
  for (const char* bad : {"", "1.5", "1e-1", "9223372036854775808", "1e300", "nan", "ten"})
    EXPECT_EQ(parse_integer(bad), std::nullopt) << bad;
}

TEST(Text, SpellsANumberInOneWay) {
  EXPECT_EQ(shortest(0.10), "0.1");
  EXPECT_EQ(shortest(2.0), "2");
  EXPECT_EQ(shortest(-0.0), "0");
  EXPECT_EQ(parse_real(shortest(1.0 / 3)), 1.0 / 3);
  EXPECT_EQ(parse_real(shortest(5e-324)), 5e-324);
}

TEST(Text, FindsWhatWasMeant) {
  const std::vector<std::string> words{"learning_rate", "batch_size", "steps"};
  EXPECT_EQ(nearest("learning_rat", words), "learning_rate");
  EXPECT_EQ(nearest("step", words), "steps");
  EXPECT_EQ(nearest("setps", words), "steps");
  EXPECT_EQ(nearest("bacth_size", words), "batch_size");
  EXPECT_EQ(nearest("zzz", words), std::nullopt);
  EXPECT_EQ(nearest("fit", std::vector<std::string>{"list"}), std::nullopt);  // half of it is too much
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(did_you_mean("step", words), "; did you mean 'steps'?");
  EXPECT_EQ(did_you_mean("zzz", words), "");
}

}  // namespace
}  // namespace soret
