#include "soret/scan/table_notes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/base/error.hpp"
#include "soret/scan/merge.hpp"
#include "soret/scan/runner.hpp"
#include "tests/scan/toy.hpp"

namespace soret {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using toy::message_of;

const std::string kZip = "[scan]\nmode = zip\n[walk]\ndrift = 0.1 0.2 0.1\nlength = 3 4 5\n";
const std::string kTable =
    "[table]\nlabels = SB LB GN\nreference = 92.33+-0.10 - 91.9±0.25\nsource = seed 000 Table 1\n"
    "observable = speed\nscale = percent\n";

TEST(TableNotes, SayWhatTheConfigSays) {
  const ScanPlan plan = toy::plan(kZip + kTable);
  const TableNotes notes = table_notes(plan.annotations, plan.points(), plan.zip);
  EXPECT_THAT(notes.labels, ElementsAre("SB", "LB", "GN"));
  ASSERT_EQ(notes.references.size(), 3);
  EXPECT_EQ(notes.references[0]->value, 92.33);
  EXPECT_EQ(notes.references[0]->error, 0.1);
  EXPECT_FALSE(notes.references[1]);
  EXPECT_EQ(notes.references[2]->error, 0.25);
  EXPECT_EQ(notes.references[0]->text, "92.33 ± 0.10");
  EXPECT_EQ(notes.source, "seed 000 Table 1");
  EXPECT_THAT(notes.observables, ElementsAre("speed"));
  EXPECT_EQ(notes.scale, TableScale::percent);
}

// They come back from the resolved config, and without them it is that of the same scan without.
TEST(TableNotes, StandInTheResolvedConfigAndInNoSettings) {
  const ScanPlan plan = toy::plan(kZip + kTable);
  const ScanPlan plain = toy::plan(kZip);
  EXPECT_EQ(annotations_of(plan.text()), plan.annotations);
  EXPECT_EQ(without_annotations(plan.text()), plain.text());
  EXPECT_EQ(without_annotations(plain.text()), plain.text());
  EXPECT_THAT(plain.text(), Not(HasSubstr("[table]")));
  const Settings settings = plan.at(1);
  for (const auto& [key, value] : settings.values()) EXPECT_FALSE(is_annotation(key)) << key;
  const std::vector<std::string> known{"toy"};
  EXPECT_EQ(parse_config(plan.text(), "again.cfg", {}, toy::options, known).text(), plan.text());
}

TEST(TableNotes, OfAnotherNumberOfPointsAreRefused) {
  const auto message = [](const std::string& config) {
    return message_of<ConfigError>([&] { toy::plan(config); });
  };
  EXPECT_THAT(message(kZip + "[table]\nlabels = SB LB\n"),
              AllOf(HasSubstr("toy.cfg"), HasSubstr("table.labels has 2 names, but the scan has 3 points")));
  EXPECT_THAT(message(kZip + "[table]\nreference = 1 2 3 4\n"),
              HasSubstr("table.reference has 4 values, but the scan has 3 points"));
  EXPECT_THAT(message(kZip + "[table]\nreference = 1 2 N/A\n"), HasSubstr("'N/A' is none of"));
  EXPECT_THAT(message(kZip + "[table]\nreference = 1 2 3+--1\n"), HasSubstr("'3+--1' is none of"));
  EXPECT_THAT(message("[walk]\ndrift = 0.1 0.2\n[table]\nlabels = a b\n"), HasSubstr("scan.mode = cross"));
  EXPECT_THAT(message(kZip + "[table]\nscale = permil\n"), HasSubstr("accuracy"));
  EXPECT_THAT(message(kZip + "[table]\nlabel = a b c\n"), HasSubstr("did you mean 'table.labels'?"));
  EXPECT_NO_THROW(toy::plan("[walk]\ndrift = 0.1 0.2\n[table]\nreference = 1 2\n"));
  EXPECT_NO_THROW(toy::plan("[table]\nlabels = only\n"));
}

class TableNotesRun : public toy::InFolder {
 protected:
  RunReport run(const std::string& config, const std::string& name, Shard shard = {}) {
    const ScanPlan plan = toy::plan(config);
    toy::Experiment experiment(plan);
    return run_scan(plan, experiment,
                    {.output = file(name), .stop = stop_, .threads = 1, .shard = shard, .quiet = true});
  }
  std::vector<std::string> labels(const std::string& name) const {
    const store::Dataset data = store::read(file(name));
    return data.find("label") ? data.at("label").texts() : std::vector<std::string>();
  }
  std::atomic<bool> stop_ = false;
};

TEST_F(TableNotesRun, LabelsAreACoordinateOfThePoints) {
  run(kZip + kTable, "out.h5");
  const store::Dataset data = store::read(file("out.h5"));
  EXPECT_THAT(labels("out.h5"), ElementsAre("SB", "LB", "GN"));
  EXPECT_THAT(data.at("label").dimensions, ElementsAre("point"));
  EXPECT_EQ(std::get<std::string>(data.at("speed").attributes.at("coordinates")), "drift length label");
}

// The section may change when the run is done: nothing is computed again, and the file follows.
TEST_F(TableNotesRun, ChangingThemComputesNothing) {
  run(kZip, "out.h5");
  const store::Dataset before = store::read(file("out.h5"));
  EXPECT_THAT(labels("out.h5"), ElementsAre());
  const RunReport again = run(kZip + kTable, "out.h5");
  EXPECT_TRUE(again.already_complete);
  EXPECT_EQ(again.trajectories, 0);
  EXPECT_THAT(labels("out.h5"), ElementsAre("SB", "LB", "GN"));
  EXPECT_TRUE(run(kZip + "[table]\nlabels = a b c\n", "out.h5").already_complete);
  EXPECT_THAT(labels("out.h5"), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(run(kZip, "out.h5").already_complete);
  const store::Dataset after = store::read(file("out.h5"));
  EXPECT_THAT(labels("out.h5"), ElementsAre());
  EXPECT_EQ(after.attributes, before.attributes);
  EXPECT_EQ(std::get<std::string>(after.at("speed").attributes.at("coordinates")), "drift length");
  test::expect_same_data(file("out.h5"), file("out.h5"));
  // Another setting is still another run.
  EXPECT_THAT(message_of<ConfigError>([&] { run(kZip + "[record]\nblocks = 4\n" + kTable, "out.h5"); }),
              AllOf(HasSubstr("record.blocks"), Not(HasSubstr("table."))));
}

// A run that was stopped, and shards, go on under other labels.
TEST_F(TableNotesRun, ChangingThemKeepsWhatWasFinished) {
  run(kZip + kTable, "whole.h5");
  run(kZip + kTable, "a.h5", {1, 2});
  run(kZip + "[table]\nlabels = a b c\n", "b.h5", {2, 2});
  merge_shards(std::vector{file("a.h5"), file("b.h5")}, file("all.h5"));
  test::expect_same_data(file("whole.h5"), file("all.h5"));
  EXPECT_THAT(labels("all.h5"), ElementsAre("SB", "LB", "GN"));

  // As a kill after the first point leaves it.
  store::Dataset half = store::read(file("a.h5"));
  half.attributes["shard"] = Shard{}.text();
  half.attributes["complete"] = std::int64_t{0};
  store::write(half, file("half.h5"));
  const RunReport report = run(kZip + "[table]\nlabels = x y z\n", "half.h5");
  EXPECT_GT(report.points_found, 0);
  EXPECT_LT(report.points_found, 3);
  EXPECT_THAT(labels("half.h5"), ElementsAre("x", "y", "z"));
  run(kZip + kTable, "half.h5");
  test::expect_same_data(file("whole.h5"), file("half.h5"));
}

TEST_F(TableNotesRun, ChangingThemKeepsTheJournal) {
  run(kZip + kTable, "whole.h5");
  const ScanPlan plan = toy::plan(kZip);
  toy::Experiment experiment(plan);
  experiment.after_unit = [&](int units) { stop_ = units >= 4; };
  EXPECT_THROW(run_scan(plan, experiment,
                        {.output = file("out.h5"), .stop = stop_, .threads = 1, .shard = {}, .quiet = true}),
               Interrupted);
  ASSERT_TRUE(std::filesystem::exists(file("out.h5.partial")));
  stop_ = false;
  const RunReport report = run(kZip + kTable, "out.h5");
  EXPECT_EQ(report.trajectories + experiment.runs(), 3 * 13);
  test::expect_same_data(file("whole.h5"), file("out.h5"));
}

}  // namespace
}  // namespace soret
