#include "soret/scan/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include "soret/base/error.hpp"
#include "tests/scan/toy.hpp"

namespace soret {
namespace {

using ::testing::HasSubstr;
using toy::message_of;

constexpr std::size_t kMagicSize = std::string_view("soretjournal-1\n").size();

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<JournalRecord> sample() {
  return {{7, 0, {{3, {}, {1, 2.5}, {0.25, 0}}, {0, {10, 20, 20}, {}, {}}}},
          {0, 4, {{1, {5}, {-0.0, 5e-324}, {0, 0}}}},
          {123'456'789'012, 31, {{2, {}, {1e308, -1}, {3, 4}}}}};
}

void expect_prefix(const std::vector<JournalRecord>& found, std::size_t length) {
  const auto all = sample();
  ASSERT_EQ(found.size(), length);
  for (std::size_t i = 0; i < length; ++i) {
    EXPECT_EQ(found[i].point, all[i].point);
    EXPECT_EQ(found[i].first_block, all[i].first_block);
    ASSERT_EQ(found[i].blocks.size(), all[i].blocks.size());
    for (std::size_t k = 0; k < all[i].blocks.size(); ++k) {
      EXPECT_EQ(found[i].blocks[k].survivors, all[i].blocks[k].survivors);
      EXPECT_EQ(found[i].blocks[k].diverged_at, all[i].blocks[k].diverged_at);
      EXPECT_EQ(found[i].blocks[k].mean, all[i].blocks[k].mean);
      EXPECT_EQ(found[i].blocks[k].m2, all[i].blocks[k].m2);
    }
  }
}

class JournalFile : public toy::InFolder {
 protected:
  std::vector<JournalRecord> replay(const std::string& identity = "config") {
    std::vector<JournalRecord> records;
    Journal journal(file());
    journal.replay(identity, [&](JournalRecord&& record) { records.push_back(std::move(record)); });
    return records;
  }
  /// Writes the sample; returns the size of the file after each record.
  std::vector<std::size_t> write_sample() {
    std::vector<std::size_t> sizes;
    Journal journal(file());
    journal.replay("config", [](JournalRecord&&) { FAIL(); });
    sizes.push_back(std::filesystem::file_size(file()));
    for (const JournalRecord& record : sample()) {
      journal.append(record);
      sizes.push_back(std::filesystem::file_size(file()));
    }
    return sizes;
  }
};

TEST_F(JournalFile, GivesBackWhatWasAppended) {
  write_sample();
  expect_prefix(replay(), 3);
  expect_prefix(replay(), 3);
}

/// A kill or a power cut may end the file anywhere: the records before that place survive, the rest is cut,
/// and what is appended afterwards is found again.
TEST_F(JournalFile, SurvivesBeingCutAtEveryByte) {
  const auto sizes = write_sample();
  const std::string whole = bytes_of(file());
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    for (const std::size_t zeros : {0, 40}) {
      const std::string torn = whole.substr(0, length) + std::string(zeros, '\0');
      put_bytes(file(), torn);
      const auto same =
          std::mismatch(torn.begin(), torn.end(), whole.begin(), whole.end()).first - torn.begin();
      std::size_t intact = 0;
      while (intact < sample().size() && sizes[intact + 1] <= static_cast<std::size_t>(same)) ++intact;
      if (zeros > 0 && length < kMagicSize) {
        EXPECT_THROW(replay(), ConfigError);  // this could be any file
        continue;
      }
      std::vector<JournalRecord> records;
      {
        Journal journal(file());
        journal.replay("config", [&](JournalRecord&& record) { records.push_back(std::move(record)); });
        if (intact < sample().size()) journal.append(sample()[intact]);
      }
      ASSERT_NO_FATAL_FAILURE(expect_prefix(records, intact)) << length;
      ASSERT_NO_FATAL_FAILURE(expect_prefix(replay(), std::min(intact + 1, sample().size()))) << length;
    }
  }
}

TEST_F(JournalFile, NoticesEveryFlippedBit) {
  const auto sizes = write_sample();
  const std::string whole = bytes_of(file());
  for (std::size_t at = sizes[0]; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    put_bytes(file(), damaged);
    std::size_t intact = 0;
    while (sizes[intact + 1] <= at) ++intact;
    ASSERT_NO_FATAL_FAILURE(expect_prefix(replay(), intact)) << at;
  }
}

TEST_F(JournalFile, RewriteReplacesTheContentAndKeepsTheLock) {
  write_sample();
  {
    Journal journal(file());
    journal.rewrite("config", std::vector<JournalRecord>{sample()[0]});
    EXPECT_THROW(Journal{file()}, ConfigError);
    journal.append(sample()[1]);
  }
  expect_prefix(replay(), 2);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(JournalFile, BelongsToOneConfigAndOneRun) {
  write_sample();
  EXPECT_THAT(message_of<ConfigError>([&] { replay("another"); }), HasSubstr("--fresh"));
  expect_prefix(replay(), 3);
  const Journal first(file());
  EXPECT_THAT(message_of<ConfigError>([&] { Journal second(file()); }), HasSubstr("another run"));
}

TEST_F(JournalFile, LeavesForeignFilesAlone) {
  put_bytes(file(), "my notes");
  EXPECT_THROW(replay(), ConfigError);
  EXPECT_EQ(bytes_of(file()), "my notes");
  EXPECT_THROW(Journal(file("no/folder")), RunError);
}

TEST_F(JournalFile, RemoveDeletesIt) {
  {
    Journal journal(file());
    journal.remove();
  }
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace soret
