#include "soret/store/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "soret/base/error.hpp"
#include "tests/same_data.hpp"

namespace soret::store {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Checkpoint : public ::testing::Test {
 protected:
  Checkpoint() {
    std::string name = (fs::temp_directory_path() / "soret_checkpoint_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Checkpoint() override { fs::remove_all(folder_); }
  fs::path file() const { return folder_ / "run.h5"; }
  fs::path previous() const { return folder_ / "run.h5.previous"; }

  fs::path folder_;
};

Dataset state(float first) {
  Dataset dataset;
  dataset.dimensions = {{"weight.out", 3}, {"weight.in", 2}};
  dataset.attributes = {{"config", "[sgd]\n"}, {"update", std::int64_t{17}}, {"seconds", 0.5}};
  dataset.variables.push_back(
      {"weight", {"weight.out", "weight.in"}, std::vector<float>{first, -0.0F, 1e-45F, 3, 4, 5}, {}});
  dataset.variables.push_back({"recorded", {"weight.out"}, std::vector<double>{0.1, 0.2, 0.3}, {}});
  return dataset;
}

void damage(const fs::path& path, std::size_t from_end) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  bytes[bytes.size() - from_end] ^= 0x40;
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_F(Checkpoint, ComesBackAsItWas) {
  write_checkpoint(state(0.1F), file());
  Dataset back = read_checkpoint(file());
  EXPECT_EQ(back.at("weight").singles(), state(0.1F).at("weight").singles());
  back.attributes.erase("checksum");
  test::expect_same(back, state(0.1F));
}

// Whatever byte of the numbers changes, it is noticed: here each of the 24 of `weight`, found in the file.
TEST_F(Checkpoint, NoticesADamagedNumber) {
  write_checkpoint(state(0.1F), file());
  std::ifstream in(file(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const float third = 3;
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&third), 4)) - 12;
  ASSERT_LT(at, bytes.size());
  for (std::size_t k = 0; k < 24; ++k) {
    damage(file(), bytes.size() - at - k);
    EXPECT_THROW(read_checkpoint(file()), InputError) << k;
    damage(file(), bytes.size() - at - k);
  }
  EXPECT_NO_THROW(read_checkpoint(file()));
}

TEST_F(Checkpoint, FallsBackToTheOneBefore) {
  EXPECT_FALSE(recover_checkpoint(file()).has_value());
  write_checkpoint(state(1), file());
  write_checkpoint(state(2), file());
  const auto newest = recover_checkpoint(file());
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->data.at("weight").singles()[0], 2);
  EXPECT_EQ(newest->note, "");

  fs::resize_file(file(), fs::file_size(file()) / 2);
  const auto older = recover_checkpoint(file());
  ASSERT_TRUE(older.has_value());
  EXPECT_EQ(older->data.at("weight").singles()[0], 1);
  EXPECT_THAT(older->note, HasSubstr("run.h5"));

  write_checkpoint(state(3), file());  // keeps the good one, not the damaged one
  fs::remove(file());                  // killed between the two steps of writing
  EXPECT_EQ(recover_checkpoint(file())->data.at("weight").singles()[0], 1);
  fs::resize_file(file(), 100);
  EXPECT_THROW(recover_checkpoint(file()), InputError);
  remove_checkpoint(file());
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Checkpoint, IsNotJustAnyFile) {
  write(state(1), file());
  try {
    read_checkpoint(file());
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not a checkpoint"));
  }
}

}  // namespace
}  // namespace soret::store
