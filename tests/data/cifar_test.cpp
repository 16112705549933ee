#include "soret/data/cifar.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Cifar10Test : public FilesTest {
 protected:
  /// Five training batches of 2, 1, 3, 1, 1 records and a test batch of 2.
  std::array<Bytes, 6> batches = {cifar_batch({0, 1}, 10), cifar_batch({2}, 20), cifar_batch({3, 4, 5}, 30),
                                  cifar_batch({6}, 40),    cifar_batch({7}, 50), cifar_batch({8, 9}, 60)};

  TrainTest read(Packing packing = Packing::plain, const SampleLimit& limit = {}) const {
    std::vector<std::filesystem::path> files;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      files.push_back(write("batch_" + std::to_string(b), pack(batches[b], packing)));
    }
    return read_cifar10(files, limit);
  }
  std::string complaint() const {
    return message_of<InputError>([this] { read(); });
  }
};

TEST_F(Cifar10Test, PlanesAreRedGreenBlueAndRowMajor) {
  // Pixel (row, column) is (row, column, 3 row + column) in red, green, blue.
  Bytes record = {6};
  for (int channel = 0; channel < 3; ++channel) {
    for (int row = 0; row < 32; ++row) {
      for (int column = 0; column < 32; ++column) {
        record.push_back(static_cast<std::uint8_t>(channel == 0   ? row
                                                   : channel == 1 ? column
                                                                  : 3 * row + column));
      }
    }
  }
  batches[0] = record;
  const Dataset train = read().train;
  EXPECT_EQ(train.channels, 3);
  EXPECT_EQ(train.height, 32);
  EXPECT_EQ(train.width, 32);
  EXPECT_EQ(train.classes, 10);
  EXPECT_EQ(train.features(), 3072U);
  EXPECT_EQ(train.labels[0], 6);
  constexpr std::size_t kRow = 17;
  constexpr std::size_t kColumn = 29;
  const std::size_t pixel = 32 * kRow + kColumn;
  EXPECT_EQ(train.image(0)[pixel], 17 / 255.0F);
  EXPECT_EQ(train.image(0)[1024 + pixel], 29 / 255.0F);
  EXPECT_EQ(train.image(0)[2048 + pixel], 80 / 255.0F);
}

TEST_F(Cifar10Test, BatchesFollowOneAnotherInEveryPacking) {
  for (const Packing packing : {Packing::plain, Packing::gzip, Packing::xz}) {
    const auto [train, test] = read(packing);
    EXPECT_THAT(train.labels, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
    EXPECT_THAT(test.labels, ElementsAre(8, 9));
    EXPECT_EQ(train.images.size(), 8U * 3072U);
    const Bytes sixth = noise(3072, 33);  // the third record of the third batch
    for (std::size_t i = 0; i < sixth.size(); ++i) ASSERT_EQ(train.image(5)[i], sixth[i] / 255.0F) << i;
  }
}

TEST_F(Cifar10Test, LimitReadsTheFirstSamplesOnly) {
  const TrainTest all = read();
  for (const std::size_t limit : {0U, 1U, 2U, 4U, 8U, 9U}) {
    const TrainTest some = read(Packing::xz, {.train = limit, .test = 1});
    const Dataset expected = slice(all.train, 0, std::min<std::size_t>(limit, 8));
    EXPECT_EQ(some.train.labels, expected.labels);
    EXPECT_EQ(some.train.images, expected.images);
    EXPECT_THAT(some.test.labels, ElementsAre(8));
  }
}

TEST_F(Cifar10Test, SizeThatIsNotWholeRecordsIsRefused) {
  batches[2].pop_back();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("batch_2"), HasSubstr("9218 bytes"), HasSubstr("3073")));
  batches[2].clear();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("batch_2"), HasSubstr("empty")));
}

TEST_F(Cifar10Test, MoreRecordsThanABatchHasAreRefused) {
  batches[5] = Bytes(10000 * 3073, 1);
  EXPECT_EQ(read().test.size(), 10000U);
  batches[5].push_back(1);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("batch_5"), HasSubstr("more than the 30730000 bytes")));
}

TEST_F(Cifar10Test, LabelOutOfRangeIsNamedWithItsIndexInTheFile) {
  batches[2][3073] = 200;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("batch_2"), HasSubstr("sample 1 is 200"), HasSubstr("0 to 9")));
}

TEST_F(Cifar10Test, OfSeveralBadFilesTheFirstIsNamed) {
  for (const std::size_t b : {1U, 3U, 5U}) batches[b].pop_back();
  for (int repeat = 0; repeat < 20; ++repeat) EXPECT_THAT(complaint(), HasSubstr("batch_1"));
}

class Cifar100Test : public FilesTest {
 protected:
  Bytes train = cifar100_file({{19, 99}, {0, 7}, {4, 0}}, 10);
  Bytes test = cifar100_file({{3, 20}, {1, 1}}, 20);

  std::array<std::filesystem::path, 2> files(Packing packing = Packing::plain) const {
    return {write("train.bin", pack(train, packing)), write("test.bin", pack(test, packing))};
  }
};

TEST_F(Cifar100Test, HasClassesAndSuperclasses) {
  for (const Packing packing : {Packing::plain, Packing::gzip, Packing::xz}) {
    const TrainTest fine = read_cifar100(files(packing));
    EXPECT_THAT(fine.train.labels, ElementsAre(99, 7, 0));
    EXPECT_THAT(fine.test.labels, ElementsAre(20, 1));
    EXPECT_EQ(fine.train.classes, 100);
    EXPECT_EQ(fine.train.features(), 3072U);
    const TrainTest coarse = read_cifar100_coarse(files(packing));
    EXPECT_THAT(coarse.train.labels, ElementsAre(19, 0, 4));
    EXPECT_THAT(coarse.test.labels, ElementsAre(3, 1));
    EXPECT_EQ(coarse.train.classes, 20);
    EXPECT_EQ(coarse.train.images, fine.train.images);
    const Bytes second = noise(3072, 12);
    for (std::size_t i = 0; i < second.size(); ++i) ASSERT_EQ(fine.train.image(1)[i], second[i] / 255.0F);
  }
}

TEST_F(Cifar100Test, LimitReadsTheFirstSamplesOnly) {
  const TrainTest some = read_cifar100(files(Packing::gzip), {.train = 2, .test = 5});
  EXPECT_THAT(some.train.labels, ElementsAre(99, 7));
  EXPECT_EQ(some.test.size(), 2U);
}

TEST_F(Cifar100Test, WhatIsNotCifar100IsRefused) {
  train[3074 + 1] = 100;
  EXPECT_THAT(message_of<InputError>([&] { read_cifar100(files()); }),
              AllOf(HasSubstr("train.bin"), HasSubstr("sample 1 is 100"), HasSubstr("0 to 99")));
  train[3074] = 20;
  EXPECT_THAT(message_of<InputError>([&] { read_cifar100_coarse(files()); }),
              AllOf(HasSubstr("sample 1 is 20"), HasSubstr("0 to 19")));
  test.push_back(0);
  EXPECT_THAT(message_of<InputError>([&] { read_cifar100(files()); }),
              AllOf(HasSubstr("test.bin"), HasSubstr("3074 bytes of a CIFAR-100 record")));
}

}  // namespace
}  // namespace soret::data
