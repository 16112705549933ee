#include "soret/scan/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "soret/base/error.hpp"

namespace soret {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<Option> toy_options() {
  return {
      {.key = "network.inputs",
       .type = OptionType::integer,
       .default_value = "10",
       .help = "",
       .min = 1,
       .max = 1000},
      {.key = "network.loss",
       .type = OptionType::text,
       .default_value = "logistic",
       .help = "",
       .choices = {"logistic", "squared"}},
      {.key = "network.kind",
       .type = OptionType::text,
       .default_value = "a",
       .help = "",
       .choices = {"a", "b"}},
      {.key = "data.kind", .type = OptionType::text, .default_value = "c", .help = "", .choices = {"c", "d"}},
      {.key = "data.path", .type = OptionType::text, .default_value = "", .help = "", .scannable = false},
      {.key = "sgd.learning_rate",
       .type = OptionType::real,
       .default_value = "0.1",
       .help = "step size",
       .unit = "1",
       .min = 0,
       .min_excluded = true},
      {.key = "sgd.momentum", .type = OptionType::real, .default_value = "0", .help = "", .min = 0, .max = 1},
      {.key = "sgd.batch_size", .type = OptionType::integer, .default_value = "1", .help = "", .min = 1},
      {.key = "sgd.steps",
       .type = OptionType::integer,
       .default_value = "100",
       .help = "",
       .min = 1,
       .scannable = false},
      {.key = "sgd.nesterov", .type = OptionType::flag, .default_value = "no", .help = ""},
      {.key = "record.observables",
       .type = OptionType::list,
       .default_value = "loss",
       .help = "",
       .choices = {"loss", "v_norm", "activation_rate"}},
  };
}

std::optional<std::vector<Option>> toy_table(std::string_view simulation) {
  if (simulation == "toy_network" || simulation == "toy_walk") return toy_options();
  return std::nullopt;
}

const std::vector<std::string> kKnown{"toy_network", "toy_walk"};

ScanPlan parse(const std::string& text, const ConfigRequest& request = {}) {
  return parse_config(text, "a.cfg", request, toy_table, kKnown);
}

/// The plan of the toy simulation with these lines added.
ScanPlan toy(const std::string& lines, const ConfigRequest& request = {}) {
  return parse("simulation = toy_network\n" + lines, request);
}

template <class Read>
std::string message_of(const Read& read) {
  try {
    read();
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no ConfigError";
  return {};
}

std::string error_of(const std::string& lines, const ConfigRequest& request = {}) {
  return message_of([&] { toy(lines, request); });
}

TEST(Config, FillsInDefaults) {
  const ScanPlan plan = toy("");
  EXPECT_EQ(plan.simulation, "toy_network");
  EXPECT_EQ(plan.points(), 1u);
  EXPECT_THAT(plan.shape(), IsEmpty());
  EXPECT_THAT(plan.axes, IsEmpty());
  const Settings settings = plan.at(0);
  EXPECT_EQ(settings.integer("network.inputs"), 10);
  EXPECT_EQ(settings.real("sgd.learning_rate"), 0.1);
  EXPECT_FALSE(settings.flag("sgd.nesterov"));
  EXPECT_EQ(settings.text("network.kind"), "a");
  EXPECT_EQ(settings.text("data.path"), "");
  EXPECT_THAT(settings.list("record.observables"), ElementsAre("loss"));
  EXPECT_EQ(settings.text("scan.mode"), "cross");
  EXPECT_THROW(settings.real("sgd.no_such_key"), std::logic_error);
  EXPECT_THROW(plan.at(1), std::out_of_range);
}

TEST(Config, ReadsEveryType) {
  const Settings settings = toy(R"(
# a comment line
[sgd]   # a comment
learning_rate = 2.50e-2   # another
batch_size = 1e3
nesterov = on
[data]
path = /data sets/mnist
[record]
observables = v_norm, loss activation_rate
)")
                                .at(0);
  EXPECT_EQ(settings.text("sgd.learning_rate"), "0.025");
  EXPECT_EQ(settings.integer("sgd.batch_size"), 1000);
  EXPECT_EQ(settings.text("sgd.batch_size"), "1000");
  EXPECT_TRUE(settings.flag("sgd.nesterov"));
  EXPECT_EQ(settings.text("data.path"), "/data sets/mnist");
  EXPECT_THAT(settings.list("record.observables"), ElementsAre("v_norm", "loss", "activation_rate"));
}

TEST(Config, SeveralValuesMakeAnAxisAndTheLastAxisIsFastest) {
  // The file's order of keys does not matter: axes stand in the table's order.
  const ScanPlan plan = toy("[sgd]\nbatch_size = 1, 2 3\nlearning_rate = 0.10 0.025\n");
  EXPECT_THAT(plan.shape(), ElementsAre(2, 3));
  EXPECT_EQ(plan.points(), 6u);
  EXPECT_EQ(plan.axes[0].name, "learning_rate");
  EXPECT_EQ(plan.axes[0].help, "step size");
  EXPECT_THAT(plan.axes[0].values, ElementsAre("0.1", "0.025"));
  EXPECT_EQ(plan.axes[1].key, "sgd.batch_size");
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(plan.at(i).real("sgd.learning_rate"), i < 3 ? 0.1 : 0.025);
    EXPECT_EQ(plan.at(i).integer("sgd.batch_size"), static_cast<std::int64_t>(1 + i % 3));
  }
  EXPECT_EQ(plan.common().real("sgd.learning_rate"), 0.1);
}

TEST(Config, ZipAdvancesAllAxesTogether) {
  const ScanPlan plan = toy("[scan]\nmode = zip\n[sgd]\nbatch_size = 1 2 4\nlearning_rate = 0.1 0.2 0.4\n");
  EXPECT_TRUE(plan.zip);
  EXPECT_THAT(plan.shape(), ElementsAre(3));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_DOUBLE_EQ(plan.at(i).real("sgd.learning_rate"),
                     0.1 * static_cast<double>(plan.at(i).integer("sgd.batch_size")));
  EXPECT_THAT(toy("[scan]\nmode = zip\n").shape(), IsEmpty());
  EXPECT_THAT(toy("[scan]\nmode = zip\n[sgd]\nbatch_size = 1 2 2\nlearning_rate = 0.1 0.1 0.2\n").shape(),
              ElementsAre(3));
  EXPECT_THAT(
      error_of("[scan]\nmode = zip\n[sgd]\nbatch_size = 1 2\nlearning_rate = 0.1 0.2 0.4\n"),
      AllOf(HasSubstr("a.cfg"), HasSubstr("sgd.learning_rate has 3"), HasSubstr("sgd.batch_size has 2")));
}

TEST(Config, FunctionsMakeAxes) {
  const auto axis = [](const std::string& line) { return toy("[sgd]\n" + line).axes.at(0).values; };
  EXPECT_THAT(axis("learning_rate = linspace(0.01, 0.1, 5)"),
              ElementsAre("0.01", "0.0325", "0.055", "0.0775", "0.1"));
  EXPECT_THAT(axis("learning_rate = geomspace(1e-3, 0.1, 3)"), ElementsAre("0.001", "0.01", "0.1"));
  // (0.7 - 0.1) / 0.2 is 2.9999999999999996
  EXPECT_THAT(axis("learning_rate = range(0.1, 0.7, 0.2)"), ElementsAre("0.1", "0.3", "0.5", "0.7"));
  EXPECT_THAT(axis("batch_size = range(1, 9, 2)"), ElementsAre("1", "3", "5", "7", "9"));
  EXPECT_THAT(axis("batch_size = range(1, 4)"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(axis("batch_size = range(9, 2, -3)"), ElementsAre("9", "6", "3"));
  EXPECT_THAT(axis("batch_size = geomspace (1 64 4), 100"), ElementsAre("1", "4", "16", "64", "100"));
  EXPECT_THAT(axis("batch_size = 2 range(3, 4) 7, range(8, 9)"), ElementsAre("2", "3", "4", "7", "8", "9"));
}

TEST(Config, FunctionsThatMakeNoSenseSayWhy) {
  const auto error = [](const std::string& line) { return error_of("[sgd]\n" + line); };
  EXPECT_THAT(error("learning_rate = linspace(0.1, 0.2)"), HasSubstr("linspace(first, last, count)"));
  EXPECT_THAT(error("learning_rate = linspace(0.1, 0.2, 2.5)"), HasSubstr("integer from 2"));
  EXPECT_THAT(error("learning_rate = linspace(0.1, x, 3)"), HasSubstr("'x' in linspace(0.1, x, 3)"));
  EXPECT_THAT(error("learning_rate = linspace(0.1, 0.2, 3"), HasSubstr("closing ')'"));
  EXPECT_THAT(error("learning_rate = (0.1, 0.2)"), HasSubstr("one of linspace"));
  EXPECT_THAT(error("learning_rate = linspce(0.1, 0.2, 3)"), HasSubstr("did you mean 'linspace'?"));
  EXPECT_THAT(error("learning_rate = geomspace(0, 1, 3)"), HasSubstr("must not be 0"));
  EXPECT_THAT(error("batch_size = range(1, 9, 0)"), HasSubstr("step must not be 0"));
  EXPECT_THAT(error("batch_size = range(1, 9, -1)"), HasSubstr("leads away"));
  EXPECT_THAT(error("batch_size = range(1, 1e12)"), HasSubstr("more than 100000"));
  EXPECT_THAT(error("batch_size = geomspace(1, 100, 4)"), HasSubstr("is not an integer >= 1"));
  EXPECT_THAT(error("learning_rate = linspace(0, 1, 3)"), HasSubstr("'0' is not a number > 0"));
}

TEST(Config, AxisNamesAreShortUnlessSomethingElseHasTheName) {
  const ScanPlan plan = toy("[sgd]\nlearning_rate = 1 2\n[network]\nkind = a b\nloss = logistic squared\n");
  EXPECT_EQ(plan.axes[0].name, "network_loss");  // `loss` is an observable
  EXPECT_EQ(plan.axes[1].name, "network_kind");  // there is a data.kind
  EXPECT_EQ(plan.axes[2].name, "learning_rate");
}

TEST(Config, AProfileOverridesAndTheCommandLineOverridesBoth) {
  const std::string config =
      "[sgd]\nsteps = 1000\nlearning_rate = 0.1 0.2\n"
      "[smoke]\nsgd.steps = 10\nsgd.learning_rate = 0.3\n[paper]\nsgd.steps = 5000 # days\n";
  EXPECT_EQ(toy(config).common().integer("sgd.steps"), 1000);
  EXPECT_EQ(toy(config, {.profile = "paper"}).common().integer("sgd.steps"), 5000);
  EXPECT_EQ(toy(config, {.profile = "paper"}).points(), 2u);
  EXPECT_EQ(toy(config, {.profile = "smoke"}).common().integer("sgd.steps"), 10);
  EXPECT_EQ(toy(config, {.profile = "smoke"}).points(), 1u);
  const ConfigRequest request{.overrides = {"sgd.steps=7", " sgd.learning_rate = 1 2 3 ", "sgd.steps=8"},
                              .profile = "smoke"};
  EXPECT_EQ(toy(config, request).common().integer("sgd.steps"), 8);
  EXPECT_EQ(toy(config, request).points(), 3u);
}

TEST(Config, AProfileStandsAboveTheFileWhereverItsSectionIs) {
  EXPECT_EQ(
      toy("[smoke]\nsgd.steps = 3\n[sgd]\nsteps = 5\n", {.profile = "smoke"}).common().integer("sgd.steps"),
      3);
}

TEST(Config, AnEmptyProfileSectionIsAProfile) {
  EXPECT_EQ(toy("[paper]  # as it stands\n", {.profile = "paper"}).points(), 1u);
}

TEST(Config, AMissingProfileIsAnErrorThatSaysWhichExist) {
  EXPECT_THAT(error_of("[smoke]\nsgd.steps = 1\n", {.profile = "paper"}),
              AllOf(HasSubstr("a.cfg"), HasSubstr("no profile 'paper'"), HasSubstr("has smoke")));
  EXPECT_THAT(error_of("", {.profile = "smoke"}), HasSubstr("the config has none"));
}

TEST(Config, ProfilesAreCheckedEvenWhenNotSelected) {
  EXPECT_THAT(error_of("[smoke]\nsgd.stps = 1\n"),
              AllOf(HasSubstr("a.cfg [smoke]"), HasSubstr("sgd.stps = 1"), HasSubstr("'sgd.steps'")));
  EXPECT_THAT(error_of("[paper]\nsgd.steps = 0\n"), HasSubstr("'0' is not an integer >= 1"));
  EXPECT_THAT(error_of("[smoke]\nsteps = 1\n"), HasSubstr("did you mean 'sgd.steps'?"));
  EXPECT_THAT(error_of("[smoke]\nsimulation = toy_walk\n"), HasSubstr("cannot change the simulation"));
}

TEST(Config, AnUnknownKeyNamesTheNearest) {
  EXPECT_THAT(error_of("[sgd]\nlearning_rat = 0.1\n"),
              AllOf(HasSubstr("a.cfg: sgd.learning_rat = 0.1"), HasSubstr("unknown key"),
                    HasSubstr("did you mean 'sgd.learning_rate'?"), HasSubstr("soret describe toy_network")));
  EXPECT_THAT(error_of("[network]\nbatch_size = 2\n"), HasSubstr("did you mean 'sgd.batch_size'?"));
  EXPECT_THAT(error_of("[sdg]\nsteps = 2\n"), HasSubstr("did you mean 'sgd.steps'?"));
  EXPECT_THAT(error_of("[smok]\nsgd.steps = 2\n"), HasSubstr("unknown key"));
  EXPECT_THAT(error_of("", {.overrides = {"sgd.momentun=0.9"}}),
              AllOf(HasSubstr("--set: sgd.momentun = 0.9"), HasSubstr("'sgd.momentum'")));
  EXPECT_THAT(error_of("", {.overrides = {"sgd.momentum"}}), HasSubstr("write key=value"));
  EXPECT_THAT(error_of("[completely]\ndifferent = 2\n"), Not(HasSubstr("did you mean")));
}

TEST(Config, AWrongValueSaysWhatIsAllowed) {
  const auto error = [](const std::string& line) { return error_of("[sgd]\n" + line); };
  EXPECT_THAT(error("learning_rate = fast"),
              HasSubstr("sgd.learning_rate = fast: 'fast' is not a number > 0"));
  for (const char* bad : {"0", "-0.1", "nan", "inf", "1e999", "0.1x"})
    EXPECT_THAT(error(std::string("learning_rate = 0.2 ") + bad), HasSubstr("is not a number > 0")) << bad;
  EXPECT_THAT(error("momentum = 1.5"), HasSubstr("'1.5' is not a number from 0 to 1"));
  EXPECT_THAT(error("batch_size = 0"), HasSubstr("'0' is not an integer >= 1"));
  EXPECT_THAT(error("batch_size = 1.5"), HasSubstr("'1.5' is not an integer >= 1"));
  EXPECT_THAT(error("nesterov = maybe"), HasSubstr("'maybe' is not true or false"));
  EXPECT_THAT(error("learning_rate ="), HasSubstr("no value; allowed: a number > 0"));
  EXPECT_THAT(error_of("[network]\ninputs = 1001"), HasSubstr("an integer from 1 to 1000"));
  EXPECT_THAT(error_of("[network]\nloss = sqared"),
              AllOf(HasSubstr("one of logistic, squared"), HasSubstr("did you mean 'squared'?")));
  EXPECT_THAT(
      error_of("[record]\nobservables = loss activation_rat"),
      AllOf(HasSubstr("any of loss, v_norm, activation_rate"), HasSubstr("did you mean 'activation_rate'?")));
  EXPECT_THAT(error_of("[record]\nobservables ="), HasSubstr("no value"));
}

TEST(Config, AValueThatStandsTwiceIsAnError) {
  EXPECT_THAT(error_of("[sgd]\nlearning_rate = 0.1 0.2 0.10\n"), HasSubstr("0.1 stands twice"));
  EXPECT_THAT(error_of("[record]\nobservables = loss v_norm loss\n"), HasSubstr("loss stands twice"));
  EXPECT_THAT(error_of("[sgd]\nbatch_size = 2 range(1, 3)\n"), HasSubstr("2 stands twice"));
}

TEST(Config, AKeyThatStandsTwiceIsAnError) {
  EXPECT_THAT(error_of("[sgd]\nsteps = 1\nsteps = 2\n"),
              AllOf(HasSubstr("a.cfg: sgd.steps = 2"), HasSubstr("twice")));
  EXPECT_THAT(error_of("[sgd]\nsteps = 1\n[network]\ninputs = 2\n[sgd]\nsteps = 2\n"), HasSubstr("twice"));
  EXPECT_THAT(error_of("simulation = toy_walk\n"), HasSubstr("twice"));
}

TEST(Config, AKeyThatIsNoAxisTakesOneValue) {
  EXPECT_THAT(error_of("[sgd]\nsteps = 10 20\n"),
              AllOf(HasSubstr("sgd.steps = 10 20"), HasSubstr("single value"), HasSubstr("an integer >= 1")));
  EXPECT_THAT(error_of("[scan]\nmode = cross zip\n"), HasSubstr("single value"));
}

TEST(Config, TheSimulationMustBeNamedAndKnown) {
  EXPECT_THAT(message_of([] { parse(""); }), HasSubstr("a.cfg: the config is empty"));
  EXPECT_THAT(message_of([] { parse("# only\n\n  # comments\n"); }), HasSubstr("empty"));
  EXPECT_THAT(message_of([] { parse("[sgd]\nsteps = 2\n"); }),
              AllOf(HasSubstr("'simulation = NAME' is missing"), HasSubstr("toy_network, toy_walk")));
  EXPECT_THAT(message_of([] { parse("simulation = toy_netwrok\n"); }),
              AllOf(HasSubstr("unknown simulation"), HasSubstr("did you mean 'toy_network'?"),
                    HasSubstr("known are toy_network, toy_walk")));
}

TEST(Config, ALineThatIsNoAssignmentIsShown) {
  EXPECT_THAT(error_of("[sgd]\nsteps: 10\n"), AllOf(HasSubstr("a.cfg"), HasSubstr("'steps: 10'")));
}

TEST(Config, WhatTheResolvedTextCannotHoldIsRejected) {
  EXPECT_THAT(error_of("", {.overrides = {"data.path=/a#b"}}), HasSubstr("'#'"));
  EXPECT_THAT(error_of("", {.overrides = {"data.path=/a\nb"}}), HasSubstr("line end"));
}

TEST(Config, TooManyPointsAreASlipOfThePen) {
  EXPECT_THAT(error_of("[sgd]\nbatch_size = range(1, 9999)\nlearning_rate = linspace(1, 2, 9999)\n"),
              HasSubstr("scan points"));
}

TEST(Config, TheResolvedTextReadsBackToTheSamePlan) {
  const ConfigRequest request{.overrides = {"data.path=/data sets/x", "sgd.momentum=0 0.90"},
                              .profile = "smoke"};
  const std::string lines =
      "[sgd]\nlearning_rate = geomspace(0.001, 0.1, 7)\nbatch_size = 1e1\nnesterov = yes\n"
      "[record]\nobservables = v_norm,loss\n[smoke]\nnetwork.inputs = 3\n";
  const ScanPlan plan = toy(lines, request);
  const ScanPlan again = parse(plan.text());
  EXPECT_EQ(again.text(), plan.text());
  EXPECT_EQ(again.shape(), plan.shape());
  ASSERT_EQ(again.points(), 14u);
  for (std::size_t i = 0; i < plan.points(); ++i) EXPECT_EQ(again.at(i).values(), plan.at(i).values());
  EXPECT_THAT(plan.text(), AllOf(HasSubstr("simulation = toy_network\n"), HasSubstr("momentum = 0 0.9\n"),
                                 HasSubstr("batch_size = 10\n"), HasSubstr("[scan]\nmode = cross\n")));

  const ScanPlan zip = toy("[scan]\nmode=zip\n[sgd]\nbatch_size = 1 2\nlearning_rate = 1 2\n");
  EXPECT_TRUE(parse(zip.text()).zip);
  EXPECT_EQ(parse(zip.text()).text(), zip.text());
}

TEST(Config, ReadsFilesAsEditorsOnAnySystemWriteThem) {
  const std::string file = ::testing::TempDir() + "soret_config_test.cfg";
  std::ofstream(file, std::ios::binary) << "\xEF\xBB\xBFsimulation = toy_walk\r\n[sgd]\r\nsteps = 3\r\n";
  const ScanPlan plan = load_config(file, {}, toy_table, kKnown);
  EXPECT_EQ(plan.simulation, "toy_walk");
  EXPECT_EQ(plan.common().integer("sgd.steps"), 3);
  std::remove(file.c_str());
}

TEST(Config, AFileThatCannotBeReadIsAnInputError) {
  EXPECT_THROW(load_config(::testing::TempDir() + "no_such.cfg", {}, toy_table, kKnown), InputError);
  EXPECT_THROW(load_config(::testing::TempDir(), {}, toy_table, kKnown), InputError);
  const std::string file = ::testing::TempDir() + "soret_config_test.h5";
  std::ofstream(file, std::ios::binary) << std::string("\x89HDF\r\n\0\0", 8);
  EXPECT_THROW(load_config(file, {}, toy_table, kKnown), InputError);
  std::remove(file.c_str());
}

TEST(Option, SaysWhatItAllows) {
  Option option{.key = "a.b", .type = OptionType::real, .default_value = "", .help = ""};
  EXPECT_EQ(allowed_values(option), "a number");
  option.max = 2.5;
  EXPECT_EQ(allowed_values(option), "a number <= 2.5");
  option.min = 0;
  EXPECT_EQ(allowed_values(option), "a number from 0 to 2.5");
  option.min_excluded = true;
  EXPECT_EQ(allowed_values(option), "a number > 0 and <= 2.5");
  option.max = std::numeric_limits<double>::infinity();
  option.type = OptionType::integer;
  EXPECT_EQ(allowed_values(option), "an integer > 0");
  option.type = OptionType::text;
  EXPECT_EQ(allowed_values(option), "a text");
}

}  // namespace
}  // namespace soret
