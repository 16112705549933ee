#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "soret/store/result_file.hpp"
#include "tests/cli/command.hpp"
#include "tests/same_data.hpp"

namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kConfig = R"(# four points in a blink
simulation = two_layer
[network]
inputs = 3
hidden = 5
[sgd]
learning_rate = 0.05 0.1
batch_size = 1 2
steps = 20
[ensemble]
trajectories = 7
[record]
every = 10
observables = activation_rate v_norm
[smoke]
sgd.steps = 10
ensemble.trajectories = 3
)";

/// A folder with the config above, and soret runs in it.
class Run : public ::testing::Test {
 protected:
  Outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), {"run", "scan.cfg"});
    return soret(words, {.folder = folder_.path()});
  }

  /// The message of a run of this config that fails with `exit_code` and leaves nothing behind.
  std::string failure(int exit_code, const std::string& config, std::vector<std::string> words = {}) {
    folder_.write("bad.cfg", config);
    words.insert(words.begin(), {"run", "bad.cfg", "-o", "bad.h5"});
    const Outcome outcome = soret(words, {.folder = folder_.path()});
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_FALSE(fs::exists(folder_ / "bad.h5"));
    EXPECT_FALSE(fs::exists(folder_ / "bad.h5.partial"));
    return outcome.err;
  }

  /// The same for the config above with one override.
  std::string rejection(const std::string& override) { return failure(2, kConfig, {"--set", override}); }

  fs::path path(const std::string& name) const { return folder_ / name; }

  TemporaryFolder folder_;
  std::string config_ = folder_.write("scan.cfg", kConfig);
};

TEST_F(Run, WritesAResultFileAndReports) {
  const Outcome outcome = run({"--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto report = outcome.json();
  EXPECT_EQ(report["file"], "results/scan.h5");
  EXPECT_EQ(report["simulation"], "two_layer");
  EXPECT_EQ(report["points"], 4);
  EXPECT_EQ(report["trajectories"], 28);
  EXPECT_EQ(report["diverged"], 0);
  EXPECT_GT(report["seconds"], 0.0);
  EXPECT_TRUE(fs::exists(path("results/scan.h5")));
  EXPECT_FALSE(fs::exists(path("results/scan.h5.partial")));
}

TEST_F(Run, NamesTheOutputAfterProfileAndShard) {
  EXPECT_EQ(run({"--profile", "smoke", "--json"}).json()["file"], "results/scan-smoke.h5");
  EXPECT_EQ(run({"--shard", "2/3", "--json"}).json()["file"], "results/scan-shard2of3.h5");
  EXPECT_EQ(run({"-o", "elsewhere.h5", "--json"}).json()["file"], "elsewhere.h5");
}

TEST_F(Run, QuietSaysNothingOnStderr) {
  const Outcome outcome = run({"--quiet"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(outcome.out, HasSubstr("results/scan.h5"));
}

TEST_F(Run, ACompleteOutputIsLeftAlone) {
  ASSERT_EQ(run({}).exit_code, 0);
  const std::string before = read_text(path("results/scan.h5"));
  const Outcome again = run({});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, AllOf(HasSubstr("is complete"), HasSubstr("--fresh")));
  EXPECT_EQ(run({"--json"}).json()["already_complete"], true);
  EXPECT_EQ(read_text(path("results/scan.h5")), before);
  EXPECT_EQ(run({"--fresh", "--json"}).json()["trajectories"], 28);
}

TEST_F(Run, AnOutputOfAnotherConfigIsRefusedAndKept) {
  ASSERT_EQ(run({}).exit_code, 0);
  const std::string before = read_text(path("results/scan.h5"));
  const Outcome other = run({"--set", "sgd.steps=30"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("another config"), HasSubstr("sgd.steps"), HasSubstr("--fresh")));
  EXPECT_EQ(read_text(path("results/scan.h5")), before);
  EXPECT_EQ(run({"--set", "sgd.steps=30", "--fresh"}).exit_code, 0);
}

TEST_F(Run, AnOutputThatCannotBeWrittenIsRefusedBeforeTheWork) {
  const auto refused = [&](const std::string& output) {
    const Outcome outcome = run({"-o", output});
    EXPECT_EQ(outcome.exit_code, 2) << output << ": " << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(output));
    return outcome.err;
  };
  fs::create_directory(path("folder"));
  EXPECT_THAT(refused("folder"), HasSubstr("directory"));
  refused("no/such/folder/out.h5");
  refused("scan.cfg/out.h5");
  EXPECT_THAT(refused("scan.cfg"), HasSubstr("not HDF5"));
  EXPECT_EQ(run({"-o", "scan.cfg", "--fresh"}).exit_code, 2);
  EXPECT_EQ(read_text(path("scan.cfg")), kConfig);
  if (geteuid() != 0) {  // nothing is unwritable to root
    fs::permissions(path("folder"), fs::perms::owner_read | fs::perms::owner_exec);
    refused("folder/out.h5");
    fs::permissions(path("folder"), fs::perms::owner_all);
  }
}

TEST_F(Run, AFullDiskLosesNothing) {
  ASSERT_EQ(run({"-o", "out.h5"}).exit_code, 0);
  const std::string before = read_text(path("out.h5"));
  const Outcome outcome = soret({"run", "scan.cfg", "-o", "out.h5", "--fresh"},
                                {.folder = folder_.path(), .most_file_bytes = 4096});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("out.h5"));
  EXPECT_EQ(read_text(path("out.h5")), before);
}

TEST_F(Run, ConfigsThatAreMissingOrEmpty) {
  EXPECT_EQ(soret({"run", "no_such.cfg"}, {.folder = folder_.path()}).exit_code, 3);
  EXPECT_THAT(soret({"run", "no_such.cfg"}, {.folder = folder_.path()}).err, HasSubstr("no_such.cfg"));
  EXPECT_EQ(soret({"run", "."}, {.folder = folder_.path()}).exit_code, 3);
  EXPECT_THAT(failure(2, ""), AllOf(HasSubstr("bad.cfg"), HasSubstr("empty")));
  EXPECT_THAT(failure(2, "# nothing\n"), HasSubstr("empty"));
  EXPECT_THAT(failure(2, "[sgd]\nsteps = 3\n"), AllOf(HasSubstr("simulation"), HasSubstr("two_layer")));
  EXPECT_THAT(failure(2, "steps\n"), HasSubstr("'steps'"));
}

TEST_F(Run, UnknownNamesGetTheNearest) {
  EXPECT_THAT(failure(2, "simulation = two_layers\n"), HasSubstr("did you mean 'two_layer'?"));
  EXPECT_THAT(failure(2, "simulation = two_layer\n[sgd]\nlearning_rat = 0.1\n"),
              AllOf(HasSubstr("bad.cfg"), HasSubstr("sgd.learning_rat"), HasSubstr("'sgd.learning_rate'")));
  EXPECT_THAT(rejection("record.observables=activation_rat"), HasSubstr("did you mean 'activation_rate'?"));
  EXPECT_THAT(failure(2, kConfig, {"--profile", "papr"}), AllOf(HasSubstr("'papr'"), HasSubstr("smoke")));
}

TEST_F(Run, ValuesOfTheWrongKindOrOutOfRange) {
  for (const char* rate : {"0", "-0.1", "nan", "inf", "fast", ""})
    EXPECT_THAT(rejection(std::string("sgd.learning_rate=") + rate),
                AllOf(HasSubstr("sgd.learning_rate"), HasSubstr("a number > 0")))
        << rate;
  for (const char* key :
       {"sgd.steps", "sgd.batch_size", "ensemble.trajectories", "network.hidden", "network.inputs"})
    for (const char* value : {"0", "-1", "1.5", "many"})
      EXPECT_THAT(rejection(std::string(key) + "=" + value),
                  AllOf(HasSubstr(key), HasSubstr(value), HasSubstr("an integer")))
          << key << " = " << value;
}

TEST_F(Run, SizesThatNoMemoryHoldsAreRefusedBeforehand) {
  EXPECT_THAT(rejection("sgd.batch_size=2147483647"), AllOf(HasSubstr("sgd.batch_size"), HasSubstr("GB")));
  EXPECT_THAT(failure(2, kConfig, {"--set", "sgd.steps=2147483647", "--set", "record.every=1"}),
              AllOf(HasSubstr("record.every"), HasSubstr("1000000")));
}

/// Trajectories on their way out of range are left out before their values swamp the mean.
TEST_F(Run, NoMeanIsSwampedByWhatDiverges) {
  const std::string config = R"(simulation = two_layer
[network]
loss = squared
[sgd]
learning_rate = 0.2
steps = 400
[ensemble]
trajectories = 256
[record]
every = 10
observables = v_norm w_norm
)";
  ASSERT_EQ(soret({"run", folder_.write("diverging.cfg", config), "-o", path("diverging.h5")}).exit_code, 0);
  const store::Dataset file = store::read(path("diverging.h5"));
  EXPECT_GT(file.at("diverged").integers()[0], 0);
  for (const char* name : {"v_norm", "w_norm"})
    for (const double mean : file.at(name).reals()) EXPECT_LT(mean, 1000) << name;
}

TEST_F(Run, ProfilesAndShardsThatDoNotExist) {
  EXPECT_THAT(failure(2, kConfig, {"--profile", "paper"}), AllOf(HasSubstr("'paper'"), HasSubstr("smoke")));
  EXPECT_THAT(failure(2, kConfig, {"--shard", "3/2"}), HasSubstr("3/2"));
}

TEST_F(Run, ADatasetThatIsAbsentSaysHowToGetIt) {
  const std::string config =
      "simulation = two_layer\n[network]\ninputs = 3072\n[data]\nkind = cifar10\npath = none\n";
  EXPECT_THAT(failure(3, config), AllOf(HasSubstr("none"), HasSubstr("scripts/download_data.sh")));
}

TEST_F(Run, ADatasetThatIsDamagedIsNamed) {
  const auto message = [&](const std::string& kind, const std::string& inputs) {
    return failure(3, "simulation = two_layer\n[network]\ninputs = " + inputs + "\n[data]\nkind = " + kind +
                          "\npath = data\n");
  };
  fs::create_directories(path("data/cifar10"));
  fs::create_directories(path("data/mnist"));
  for (const char* name :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"})
    folder_.write(std::string("data/cifar10/") + name + ".bin", std::string(3073 * 2 - 1, '\1'));
  EXPECT_THAT(message("cifar10", "3072"), AllOf(HasSubstr(".bin"), HasSubstr("6145")));

  using namespace std::string_literals;
  const std::string images = "\0\0\x08\x03\0\0\0\x01\0\0\0\x1c\0\0\0\x1c"s + std::string(28 * 28, '\1');
  const std::string labels = "\0\0\x08\x01\0\0\0\x01\x05"s;
  for (const char* part : {"train", "t10k"}) {
    folder_.write(fmt::format("data/mnist/{}-images-idx3-ubyte", part), images);
    folder_.write(fmt::format("data/mnist/{}-labels-idx1-ubyte", part), labels);
  }
  folder_.write("data/mnist/train-images-idx3-ubyte", images.substr(0, images.size() - 1));
  EXPECT_THAT(message("mnist", "784"), AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("784")));
  folder_.write("data/mnist/train-images-idx3-ubyte", images);
  folder_.write("data/mnist/train-labels-idx1-ubyte", "\0\0\x07\x01\0\0\0\x01\x05"s);
  EXPECT_THAT(message("mnist", "784"), AllOf(HasSubstr("train-labels-idx1-ubyte"), HasSubstr("0x00000701")));
}

TEST_F(Run, InfoShowsWhatTheFileHolds) {
  ASSERT_EQ(run({"-o", "out.h5"}).exit_code, 0);
  const auto report = soret({"info", "out.h5", "--json"}, {.folder = folder_.path()}).json();
  EXPECT_EQ(report["finished_points"], 4);
  EXPECT_EQ(report["dimensions"]["learning_rate"], 2);
  EXPECT_EQ(report["dimensions"]["step"], 3);
  EXPECT_EQ(report["variables"]["learning_rate"]["values"], nlohmann::json({0.05, 0.1}));
  EXPECT_EQ(report["variables"]["activation_rate"]["dimensions"],
            nlohmann::json({"learning_rate", "batch_size", "step"}));
  EXPECT_EQ(report["attributes"]["simulation"], "two_layer");
  EXPECT_EQ(report["points"][3]["settings"], (nlohmann::json{{"learning_rate", 0.1}, {"batch_size", 2}}));
  EXPECT_EQ(report["points"][3]["diverged"], 0);

  const Outcome text = soret({"info", "out.h5"}, {.folder = folder_.path()});
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("4 scan points, all finished"), HasSubstr("0.05 0.1"),
                    HasSubstr("activation_rate (learning_rate, batch_size, step), with its standard error")));
}

TEST_F(Run, TheConfigInTheFileRunsToTheSameFile) {
  ASSERT_EQ(run({"--profile", "smoke", "-o", "out.h5"}).exit_code, 0);
  folder_.write("again.cfg", soret({"info", "out.h5", "--config"}, {.folder = folder_.path()}).out);
  const auto report =
      soret({"run", "again.cfg", "-o", "out.h5", "--json"}, {.folder = folder_.path()}).json();
  EXPECT_EQ(report["already_complete"], true);
}

TEST_F(Run, ExportWritesTidyTables) {
  ASSERT_EQ(run({"-o", "out.h5"}).exit_code, 0);
  const Outcome outcome =
      soret({"export", "out.h5", "--csv", "tables/here", "--blocks"}, {.folder = folder_.path()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::ifstream table(path("tables/here/v_norm.csv"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(table, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 1u + 2 * 2 * 3);
  EXPECT_EQ(lines[0], "learning_rate,batch_size,step,mean,stderr");
  EXPECT_EQ(lines[1].substr(0, 9), "0.05,1,0,");
  EXPECT_EQ(lines[12].substr(0, 9), "0.1,2,20,");

  std::ifstream blocks(path("tables/here/activation_rate_block.csv"));
  std::string header;
  std::getline(blocks, header);
  EXPECT_EQ(header, "learning_rate,batch_size,block,step,mean");
}

TEST_F(Run, ShardsMergeToTheWhole) {
  ASSERT_EQ(run({"-o", "whole.h5"}).exit_code, 0);
  ASSERT_EQ(run({"-o", "a.h5", "--shard", "1/2"}).exit_code, 0);
  ASSERT_EQ(run({"-o", "b.h5", "--shard", "2/2"}).exit_code, 0);
  const auto merge = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "merge");
    return soret(words, {.folder = folder_.path()});
  };
  EXPECT_EQ(merge({"a.h5", "a.h5", "-o", "m.h5"}).exit_code, 2);
  EXPECT_EQ(merge({"b.h5", "-o", "m.h5"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(path("m.h5")));
  const Outcome merged = merge({"b.h5", "a.h5", "-o", "m.h5"});
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  const auto csv = [&](const std::string& file) {
    soret({"export", file + ".h5", "--csv", file}, {.folder = folder_.path()});
    return read_text(path(file + "/v_norm.csv"));
  };
  EXPECT_EQ(csv("m"), csv("whole"));
}

TEST_F(Run, DescribeShowsEveryKeyAndObservable) {
  const auto report = soret({"describe", "two_layer", "--json"}).json();
  const Outcome text = soret({"describe", "two_layer"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_GT(report["options"].size(), 10u);
  for (const auto& option : report["options"]) {
    const std::string key = option["key"];
    EXPECT_FALSE(std::string(option["help"]).empty()) << key;
    EXPECT_THAT(text.out, HasSubstr("\n  " + key.substr(key.find('.') + 1) + " = "));
  }
  for (const auto& observable : report["observables"])
    EXPECT_THAT(text.out, HasSubstr("\n  " + std::string(observable["name"])));
  EXPECT_EQ(soret({"list", "--json"}).json()["simulations"][0]["name"], "two_layer");
  EXPECT_THAT(soret({"describe", "two_layr"}).err, HasSubstr("did you mean 'two_layer'?"));
}

/// CIFAR-10 in its binary format with a few made-up images: DIR/cifar10/*.bin.
void write_small_cifar10(const fs::path& folder) {
  constexpr int kImages = 30, kPixels = 3072;
  fs::create_directories(folder / "cifar10");
  std::minstd_rand bytes(1);
  for (const char* name :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
    std::ofstream file(folder / "cifar10" / (std::string(name) + ".bin"), std::ios::binary);
    for (int image = 0; image < kImages; ++image) {
      file.put(static_cast<char>(image % 10));
      for (int pixel = 0; pixel < kPixels; ++pixel) file.put(static_cast<char>(bytes() % 256));
    }
  }
}

/// Fashion-MNIST in its IDX format with a few made-up images: DIR/fashion-mnist/*-ubyte.
void write_small_fashion_mnist(const fs::path& folder) {
  constexpr int kImages = 30, kSide = 28;
  fs::create_directories(folder / "fashion-mnist");
  std::minstd_rand bytes(2);
  const auto number = [](std::ofstream& file, int n) {  // big-endian
    for (int shift = 24; shift >= 0; shift -= 8) file.put(static_cast<char>(n >> shift));
  };
  for (const std::string part : {"train", "t10k"}) {
    std::ofstream images(folder / "fashion-mnist" / (part + "-images-idx3-ubyte"), std::ios::binary);
    for (const int n : {2051, kImages, kSide, kSide}) number(images, n);
    for (int pixel = 0; pixel < kImages * kSide * kSide; ++pixel)
      images.put(static_cast<char>(bytes() % 256));
    std::ofstream labels(folder / "fashion-mnist" / (part + "-labels-idx1-ubyte"), std::ios::binary);
    for (const int n : {2049, kImages}) number(labels, n);
    for (int image = 0; image < kImages; ++image) labels.put(static_cast<char>(image % 10));
  }
}

TEST(Configs, EveryConfigRunsWithItsSmokeProfile) {
  const TemporaryFolder data;
  write_small_cifar10(data.path());
  write_small_fashion_mnist(data.path());
  std::size_t configs = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SORET_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".cfg") continue;
    ++configs;
    const TemporaryFolder folder;
    const Surroundings surroundings{.folder = folder.path(),
                                    .environment = {{"SORET_DATA", data.path().string()}}};
    run_what_is_read_by(entry.path(), surroundings);
    const Outcome outcome =
        soret({"run", entry.path().string(), "--profile", "smoke", "-o", "out.h5", "--json"}, surroundings);
    ASSERT_EQ(outcome.exit_code, 0) << entry.path() << ": " << outcome.err;
    EXPECT_GT(outcome.json()["trajectories"], 0) << entry.path();
  }
  EXPECT_GT(configs, 0u);
}

// From a config to scores, the same on one thread and on three.
TEST(Configs, EveryModelOfImagesTrains) {
  const TemporaryFolder folder;
  write_small_cifar10(folder.path());
  folder.write("models.cfg", R"(simulation = train
[network]
kind = c1 resnet18 vgg11 vgg16
width = 2
vgg_head = compact imagenet
[data]
kind = cifar10
training_samples = 25
test_samples = 10
[sgd]
learning_rate = 0.01
batch_size = 5
epochs = 2
[record]
observables = train_loss test_error
)");
  const auto run = [&](const char* output, const char* threads) {
    const Outcome outcome =
        soret({"run", "models.cfg", "-o", output, "--threads", threads, "--json"},
              {.folder = folder.path(), .environment = {{"SORET_DATA", folder.path().string()}}});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.json()["diverged"], 0);
  };
  run("one.h5", "1");
  run("three.h5", "3");
  expect_same_data(folder / "one.h5", folder / "three.h5");
}

TEST(Configs, EveryPaperProfileIsWellFormed) {
  // An output that is a folder is refused after the config has been read and before anything is computed.
  const TemporaryFolder data;
  write_small_cifar10(data.path());
  write_small_fashion_mnist(data.path());
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(SORET_SOURCE_DIR) / "configs/thermophoresis")) {
    const Outcome outcome = soret({"run", entry.path().string(), "--profile", "paper", "-o", "."},
                                  {.environment = {{"SORET_DATA", data.path().string()}}});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err,
                ::testing::AnyOf(HasSubstr("is a directory"), HasSubstr("holds 150 training samples"),
                                 HasSubstr("holds 30 test samples")))
        << entry.path();
  }
}

}  // namespace
}  // namespace soret::test
