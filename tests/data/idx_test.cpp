#include "soret/data/idx.hpp"

#include <gmock/gmock.h>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class IdxTest : public FilesTest {
 protected:
  /// Training set of three images of 2 x 3 pixels, test set of one. A test replaces what it is about.
  Bytes train_images =
      idx_images(3, 2, 3, {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 250, 251, 252, 253, 254, 255});
  Bytes train_labels = idx_labels({7, 0, 9});
  Bytes test_images = idx_images(1, 2, 3, {51, 102, 153, 204, 255, 0});
  Bytes test_labels = idx_labels({4});

  TrainTest read(Packing packing = Packing::plain, const SampleLimit& limit = {}) const {
    return read_idx(std::vector{write("train-images", pack(train_images, packing)),
                                write("train-labels", pack(train_labels, packing)),
                                write("test-images", pack(test_images, packing)),
                                write("test-labels", pack(test_labels, packing))},
                    limit);
  }
  std::string complaint() const {
    return message_of<InputError>([this] { read(); });
  }
};

TEST_F(IdxTest, ReadsAHandSizedSetInEveryPacking) {
  for (const Packing packing : {Packing::plain, Packing::gzip, Packing::xz}) {
    const auto [train, test] = read(packing);
    EXPECT_EQ(train.size(), 3U);
    EXPECT_EQ(train.channels, 1);
    EXPECT_EQ(train.height, 2);
    EXPECT_EQ(train.width, 3);
    EXPECT_EQ(train.classes, 10);
    EXPECT_THAT(train.labels, ElementsAre(7, 0, 9));
    EXPECT_THAT(train.image(1),
                ElementsAre(10 / 255.0F, 11 / 255.0F, 12 / 255.0F, 13 / 255.0F, 14 / 255.0F, 15 / 255.0F));
    EXPECT_EQ(train.image(2)[5], 1.0F);
    EXPECT_THAT(test.labels, ElementsAre(4));
    EXPECT_THAT(test.image(0), ElementsAre(0.2F, 0.4F, 0.6F, 0.8F, 1.0F, 0.0F));
  }
}

TEST_F(IdxTest, LimitReadsTheFirstSamplesOnly) {
  const TrainTest all = read();
  const TrainTest some = read(Packing::gzip, {.train = 2, .test = 0});
  EXPECT_EQ(some.train.labels, slice(all.train, 0, 2).labels);
  EXPECT_EQ(some.train.images, slice(all.train, 0, 2).images);
  EXPECT_EQ(some.test.size(), 0U);
  EXPECT_EQ(read(Packing::plain, {.train = 4, .test = 4}).train.images, all.train.images);
}

TEST_F(IdxTest, EveryTruncationIsNoticed) {
  const Bytes whole = train_images;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    train_images = first_bytes(whole, size);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("train-images"), HasSubstr("truncated"))) << size;
  }
  train_images = first_bytes(whole, whole.size() - 1);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("17 bytes follow"), HasSubstr("promises 18")));
  train_images = whole;
  test_labels = first_bytes(test_labels, 8);
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("test-labels"), HasSubstr("0 bytes follow"), HasSubstr("promises 1")));
}

TEST_F(IdxTest, MoreBytesThanPromisedAreRefused) {
  train_labels.push_back(1);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train-labels"), HasSubstr("more than the 11 bytes")));
}

TEST_F(IdxTest, WrongMagicIsRefused) {
  std::swap(train_images, train_labels);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train-images"), HasSubstr("truncated")));
  train_images = big_endian({0x801, 60000, 0x07000900, 0});
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("train-images"), HasSubstr("0x00000801"), HasSubstr("0x00000803")));
}

TEST_F(IdxTest, ImpossibleExtentsAreRefusedBeforeMemoryIsAskedFor) {
  train_images = idx_images(0, 2, 3, {});
  EXPECT_THAT(complaint(), HasSubstr("no samples"));
  train_images = idx_images(3, 0, 3, {});
  EXPECT_THAT(complaint(), HasSubstr("0 x 3 pixels"));
  train_images = idx_images(3, 2, 4097, {});
  EXPECT_THAT(complaint(), HasSubstr("2 x 4097 pixels"));
  train_images = idx_images(0xffffffff, 4096, 4096, {});
  EXPECT_THAT(complaint(), AllOf(HasSubstr("4294967295 images"), HasSubstr("4 GiB")));
}

TEST_F(IdxTest, LabelOutOfRangeIsNamed) {
  train_labels = idx_labels({0, 9, 10});
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("train-labels"), HasSubstr("sample 2 is 10"), HasSubstr("0 to 9")));
}

TEST_F(IdxTest, FilesThatDoNotBelongTogetherAreRefused) {
  train_labels = idx_labels({0, 1});
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train-images"), HasSubstr("3 images"), HasSubstr("train-labels"),
                                 HasSubstr("2 labels")));
  train_labels = idx_labels({0, 1, 2});
  test_images = idx_images(1, 3, 2, noise(6));
  EXPECT_THAT(complaint(), AllOf(HasSubstr("2 x 3 pixels"), HasSubstr("test-images"), HasSubstr("3 x 2")));
}

}  // namespace
}  // namespace soret::data
