#include "soret/store/result_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>

#include "soret/base/error.hpp"
#include "tests/same_data.hpp"

namespace soret::store {
namespace {

namespace fs = std::filesystem;
using test::expect_same;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A folder of its own for every test.
class ResultFile : public ::testing::Test {
 protected:
  ResultFile() {
    std::string name = (fs::temp_directory_path() / "soret_store_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ResultFile() override { fs::remove_all(folder_); }

  fs::path file(const std::string& name = "out.h5") const { return folder_ / name; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
  }

  fs::path folder_;
};

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put_bytes(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class Error, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing of this kind was thrown";
  return "";
}

/// All that a file can hold: numeric and text coordinates, a bare dimension, a scalar, NaN and infinities,
/// a variable large enough to be chunked and compressed.
Dataset sample() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  Dataset dataset;
  dataset.dimensions = {{"learning_rate", 3}, {"loss", 2}, {"block", 5}, {"step", 1009}};
  dataset.attributes = {{"simulation", "two_layer"},
                        {"config", "[sgd]\nlearning_rate = 0.1\n# η²/|B|\n"},
                        {"empty", ""},
                        {"seed", std::int64_t{-7}},
                        {"wall_seconds", 1.25}};
  dataset.variables.push_back(
      {"learning_rate", {"learning_rate"}, std::vector<double>{0.025, 0.05, 0.1}, {{"units", "1"}}});
  dataset.variables.push_back(
      {"loss", {"loss"}, std::vector<std::string>{"squared", "entropie croisée"}, {}});
  std::vector<std::int64_t> steps;
  for (std::int64_t i = 0; i < 1009; ++i) steps.push_back(i * i * 1'000'003);
  dataset.variables.push_back({"step", {"step"}, steps, {{"units", "1"}, {"long_name", "SGD step"}}});
  dataset.variables.push_back({"total", {}, std::vector<std::int64_t>{1LL << 62}, {}});
  dataset.variables.push_back(
      {"odd", {"learning_rate", "loss"}, std::vector<double>{nan, inf, -inf, -0.0, 5e-324, 1e308}, {}});
  dataset.variables.push_back(
      {"name", {"loss", "learning_rate"}, std::vector<std::string>{"a", "", "c", "d", "e", "ü"}, {}});
  std::vector<double> large(3 * 2 * 5 * 1009);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = std::sin(static_cast<double>(i));
  dataset.variables.push_back({"v_norm",
                               {"learning_rate", "loss", "block", "step"},
                               large,
                               {{"units", "1"}, {"reference", "seed 002 Fig. 4"}}});
  return dataset;
}

TEST_F(ResultFile, ReadsBackEveryBitThatWasWritten) {
  write(sample(), file());
  expect_same(sample(), read(file()));
  EXPECT_EQ(files(), 1u);
}

TEST_F(ResultFile, KeepsTheOrderOfDimensions) {
  write(sample(), file());
  std::vector<std::string> names;
  for (const Dimension& dimension : read(file()).dimensions) names.push_back(dimension.name);
  EXPECT_THAT(names, ::testing::ElementsAre("learning_rate", "loss", "block", "step"));
}

TEST_F(ResultFile, SameDatasetGivesSameBytes) {
  write(sample(), file("a.h5"));
  ::sleep(1);  // time stamps have a resolution of one second
  write(sample(), file("b.h5"));
  EXPECT_EQ(bytes_of(file("a.h5")), bytes_of(file("b.h5")));
}

TEST_F(ResultFile, CompressesWhatRepeats) {
  Dataset dataset;
  dataset.dimensions = {{"point", 1000}, {"step", 401}};
  dataset.variables.push_back(
      {"x", {"point", "step"}, std::vector<double>(401'000, std::numeric_limits<double>::quiet_NaN()), {}});
  write(dataset, file());
  EXPECT_LT(fs::file_size(file()), 401'000u * sizeof(double) / 50);
  expect_same(dataset, read(file()));
}

TEST_F(ResultFile, ReplacesAnOlderFileAndFollowsALink) {
  put_bytes(file(), "old");
  fs::create_symlink("out.h5", file("link.h5"));
  write(sample(), file("link.h5"));
  EXPECT_TRUE(fs::is_symlink(file("link.h5")));
  expect_same(sample(), read(file()));
  EXPECT_EQ(files(), 2u);
}

TEST_F(ResultFile, ARelativeNameWithoutFolderWorks) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write(sample(), "plain.h5");
  expect_same(sample(), read("plain.h5"));
  fs::current_path(before);
}

TEST_F(ResultFile, RefusesAMalformedDataset) {
  Dataset wrong_size = sample();
  std::get<std::vector<double>>(wrong_size.variables.back().data).pop_back();
  EXPECT_THROW(write(wrong_size, file()), std::logic_error);
  Dataset unknown_dimension = sample();
  unknown_dimension.variables.back().dimensions[0] = "nowhere";
  EXPECT_THROW(write(unknown_dimension, file()), std::logic_error);
  Dataset twice = sample();
  twice.variables.push_back(twice.variables.back());
  EXPECT_THROW(write(twice, file()), std::logic_error);
  EXPECT_EQ(files(), 0u);
}

TEST_F(ResultFile, AbsentVariableNamesTheNearest) {
  EXPECT_THAT(message_of<InputError>([] { sample().at("v_nrom"); }),
              AllOf(HasSubstr("did you mean 'v_norm'"), HasSubstr("learning_rate")));
  EXPECT_THROW(sample().at("step").reals(), InputError);
  EXPECT_THROW(sample().size("nowhere"), InputError);
}

TEST_F(ResultFile, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(message_of<InputError>([&] { read(file("absent.h5")); }),
              AllOf(HasSubstr("absent.h5"), HasSubstr("No such file")));
  EXPECT_THAT(message_of<InputError>([&] { read(folder_); }), HasSubstr("Is a directory"));
  put_bytes(file("text.h5"), "learning_rate,v_norm\n");
  EXPECT_THAT(message_of<InputError>([&] { read(file("text.h5")); }), HasSubstr("not an HDF5 file"));
  put_bytes(file("empty.h5"), "");
  EXPECT_THAT(message_of<InputError>([&] { read(file("empty.h5")); }), HasSubstr("not an HDF5 file"));
}

TEST_F(ResultFile, RefusesATruncatedFileOfAnyLength) {
  write(sample(), file());
  const std::string whole = bytes_of(file());
  for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16) {
    put_bytes(file("cut.h5"), whole.substr(0, length));
    EXPECT_THROW(read(file("cut.h5")), InputError) << length << " of " << whole.size();
  }
  put_bytes(file("cut.h5"), whole.substr(0, whole.size() - 1));
  EXPECT_THAT(message_of<InputError>([&] { read(file("cut.h5")); }), HasSubstr("truncated"));
}

TEST_F(ResultFile, RefusesHdf5FilesOfOtherMakers) {
  const hid_t other = H5Fcreate(file("group.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Gclose(H5Gcreate2(other, "run1", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Fclose(other);
  EXPECT_THAT(message_of<InputError>([&] { read(file("group.h5")); }), HasSubstr("'run1' is not a variable"));

  const hid_t bare = H5Fcreate(file("bare.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t three = 3;
  const hid_t space = H5Screate_simple(1, &three, nullptr);
  H5Dclose(H5Dcreate2(bare, "x", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space);
  H5Fclose(bare);
  EXPECT_THAT(message_of<InputError>([&] { read(file("bare.h5")); }), HasSubstr("no name for its dimension"));
}

TEST_F(ResultFile, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  EXPECT_THAT(message_of<RunError>([&] { write(sample(), file("no/such/folder.h5")); }),
              HasSubstr("No such file"));
  fs::create_directory(file("directory.h5"));
  EXPECT_THAT(message_of<RunError>([&] { write(sample(), file("directory.h5")); }),
              HasSubstr("Is a directory"));
  EXPECT_EQ(files(), 1u);

  if (::geteuid() != 0) {  // root may write anywhere
    put_bytes(file(), "old");
    ::chmod(folder_.c_str(), 0500);
    EXPECT_THAT(message_of<RunError>([&] { write(sample(), file()); }), HasSubstr("Permission denied"));
    ::chmod(folder_.c_str(), 0700);
    EXPECT_EQ(bytes_of(file()), "old");
  }
}

/// The limit on file sizes stands for a full disk: write() fails half way. It binds a whole process, so a
/// child meets it.
TEST_F(ResultFile, AFullDiskLeavesTheOldFileAndNoTemporary) {
  put_bytes(file(), "old");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50'000, 50'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write(sample(), file());
    } catch (const RunError& error) {
      ::_exit(std::string(error.what()).find("File too large") != std::string::npos ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(bytes_of(file()), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(ResultFile, OpensInXarrayWithDimensionsAndCoordinates) {
  const std::string quiet = " >/dev/null 2>&1";
  if (std::system(("python3 -c 'import xarray, h5netcdf'" + quiet).c_str()) != 0)
    GTEST_SKIP() << "needs python3 with xarray and h5netcdf";
  write(sample(), file());
  put_bytes(file("check.py"), R"(
import sys
import numpy, xarray
with xarray.open_dataset(sys.argv[1], engine="h5netcdf") as data:
    v = data["v_norm"]
    assert v.dims == ("learning_rate", "loss", "block", "step"), v.dims
    assert v.shape == (3, 2, 5, 1009), v.shape
    assert set(data.coords) == {"learning_rate", "loss", "step"}, data.coords
    assert list(data["loss"].values) == ["squared", "entropie croisée"]
    assert v.attrs == {"units": "1", "reference": "seed 002 Fig. 4"}, v.attrs
    assert v.dtype == numpy.float64 and data["step"].dtype == numpy.int64
    expected = numpy.sin(numpy.arange(v.size)).reshape(v.shape)
    assert numpy.allclose(v.values, expected, rtol=0, atol=1e-15)
    assert float(v.sel(learning_rate=0.05, loss="squared").isel(block=2, step=7)) == v.values[1, 0, 2, 7]
    assert data.attrs["seed"] == -7 and data.attrs["simulation"] == "two_layer"
    assert data["total"].item() == 2**62
)");
  EXPECT_EQ(std::system(("python3 " + file("check.py").string() + " " + file().string()).c_str()), 0);
}

}  // namespace
}  // namespace soret::store
