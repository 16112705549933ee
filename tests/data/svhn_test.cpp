#include "soret/data/svhn.hpp"

#include <gmock/gmock.h>
#if SORET_HAVE_MATIO
#include <matio.h>
#endif

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

#if SORET_HAVE_MATIO

void check(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

class SvhnTest : public FilesTest {
 protected:
  struct Part {
    std::vector<std::size_t> shape;
    Bytes pixels;
    std::vector<double> labels;
    matio_classes pixel_class = MAT_C_UINT8;
    matio_classes label_class = MAT_C_DOUBLE;
    const char* pixels_name = "X";
    const char* labels_name = "y";
  };
  Part train{.shape = {32, 32, 3, 3}, .pixels = noise(3 * 3072, 1), .labels = {1, 10, 9}};
  Part test{.shape = {32, 32, 3, 2}, .pixels = noise(2 * 3072, 2), .labels = {10, 4}};
  matio_compression packing = MAT_COMPRESSION_ZLIB;
  mat_ft format = MAT_FT_MAT5;

  std::filesystem::path write_mat(const std::string& name, Part part) const {
    const std::filesystem::path path = directory / name;
    mat_t* file = Mat_CreateVer(path.c_str(), nullptr, format);
    check(file != nullptr, "Mat_CreateVer");
    const auto put = [&](const char* variable_name, matio_classes kind, std::vector<std::size_t> shape,
                         void* data) {
      const matio_types type = kind == MAT_C_UINT8  ? MAT_T_UINT8
                               : kind == MAT_C_INT8 ? MAT_T_INT8
                                                    : MAT_T_DOUBLE;
      matvar_t* variable =
          Mat_VarCreate(variable_name, kind, type, static_cast<int>(shape.size()), shape.data(), data, 0);
      check(variable != nullptr && Mat_VarWrite(file, variable, packing) == 0, variable_name);
      Mat_VarFree(variable);
    };
    put(part.pixels_name, part.pixel_class, part.shape, part.pixels.data());
    Bytes bytes(part.labels.begin(), part.labels.end());
    put(part.labels_name, part.label_class, {part.labels.size(), 1},
        part.label_class == MAT_C_DOUBLE ? static_cast<void*>(part.labels.data()) : bytes.data());
    Mat_Close(file);
    return path;
  }
  std::array<std::filesystem::path, 2> files() const {
    return {write_mat("train_32x32.mat", train), write_mat("test_32x32.mat", test)};
  }
  TrainTest read(const SampleLimit& limit = {}) const { return read_svhn(files(), limit); }
  std::string complaint() const {
    return message_of<InputError>([this] { read(); });
  }
  static Bytes content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(SvhnTest, ColumnsComeFirstAndTenIsTheDigitZero) {
  for (const auto kind : {MAT_C_DOUBLE, MAT_C_UINT8}) {
    for (const auto pack : {MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB}) {
      train.label_class = kind;
      packing = pack;
      const TrainTest parts = read();
      EXPECT_THAT(parts.train.labels, ElementsAre(1, 0, 9));
      EXPECT_THAT(parts.test.labels, ElementsAre(0, 4));
      EXPECT_EQ(parts.train.channels, 3);
      EXPECT_EQ(parts.train.height, 32);
      EXPECT_EQ(parts.train.width, 32);
      EXPECT_EQ(parts.train.classes, 10);
      for (std::size_t sample = 0; sample < 3; ++sample) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
          for (std::size_t row = 0; row < 32; ++row) {
            for (std::size_t column = 0; column < 32; ++column) {
              ASSERT_EQ(parts.train.image(sample)[(channel * 32 + row) * 32 + column],
                        train.pixels[row + 32 * (column + 32 * (channel + 3 * sample))] / 255.0F);
            }
          }
        }
      }
    }
  }
}

TEST_F(SvhnTest, LimitReadsTheFirstSamplesOnly) {
  const TrainTest all = read();
  for (const std::size_t limit : {0U, 1U, 2U, 3U, 4U}) {
    const TrainTest some = read({.train = limit, .test = 1});
    const Dataset expected = slice(all.train, 0, std::min<std::size_t>(limit, 3));
    EXPECT_EQ(some.train.labels, expected.labels);
    EXPECT_EQ(some.train.images, expected.images);
    EXPECT_EQ(some.test.size(), 1U);
  }
}

TEST_F(SvhnTest, SingleImageHasNoFourthDimension) {
  test = {.shape = {32, 32, 3}, .pixels = noise(3072, 3), .labels = {7}};
  EXPECT_THAT(read().test.labels, ElementsAre(7));
}

TEST_F(SvhnTest, LabelOutOfRangeIsNamedWithItsIndex) {
  for (const double label : {0.0, 11.0, 2.5}) {
    train.labels[2] = label;
    EXPECT_THAT(complaint(),
                AllOf(HasSubstr("train_32x32.mat"), HasSubstr("sample 2 is"), HasSubstr("1 to 10")));
  }
}

TEST_F(SvhnTest, OtherVariablesAndShapesAreRefused) {
  train.pixels_name = "Z";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train_32x32.mat"), HasSubstr("no variable X")));
  train.pixels_name = "X";
  test.labels_name = "labels";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("test_32x32.mat"), HasSubstr("no variable y")));
  test.labels_name = "y";
  train.labels.push_back(1);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("y is 4 x 1"), HasSubstr("3 images")));
  train.labels.pop_back();
  train.shape = {32, 96, 1, 3};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("32 x 96 x 1 x 3"), HasSubstr("32 x 32 x 3 x samples")));
  train.shape = {32, 32, 3, 3};
  train.pixel_class = MAT_C_INT8;
  EXPECT_THAT(complaint(), HasSubstr("of class uint8"));
}

TEST_F(SvhnTest, OtherFormatsAreRefused) {
  format = MAT_FT_MAT73;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train_32x32.mat"), HasSubstr("-v7")));
  const std::array<std::filesystem::path, 2> noisy = {write("noise.mat", noise(5000)),
                                                      write("empty.mat", {})};
  EXPECT_THAT(message_of<InputError>([&] { read_svhn(noisy); }), HasSubstr("noise.mat"));
  const std::array<std::filesystem::path, 2> empty = {noisy[1], noisy[0]};
  EXPECT_THAT(message_of<InputError>([&] { read_svhn(empty); }), HasSubstr("empty.mat"));
}

TEST_F(SvhnTest, EveryTruncationIsNoticed) {
  for (const auto pack : {MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB}) {
    packing = pack;
    const auto paths = files();
    const Bytes stored = content(paths[0]);
    for (std::size_t size = 0; size < stored.size(); size += size < 400 ? 1 : 97) {
      write("train_32x32.mat", first_bytes(stored, size));
      EXPECT_THAT(message_of<InputError>([&] { read_svhn(paths); }), HasSubstr("train_32x32.mat")) << size;
    }
    write("train_32x32.mat", first_bytes(stored, stored.size() - 1));
    EXPECT_THAT(message_of<InputError>([&] { read_svhn(paths); }), HasSubstr("truncated"));
  }
}

TEST_F(SvhnTest, EveryFlippedPackedByteIsNoticedOrMeansNothing) {
  const Dataset whole = read().train;  // a few bits of deflate's block headers are padding
  const auto paths = files();
  const Bytes stored = content(paths[0]);
  int noticed = 0;
  // Behind the file's header and the tag of the first element.
  for (std::size_t i = 136; i < stored.size(); i += i < 300 || i > stored.size() - 100 ? 1 : 31) {
    Bytes damaged = stored;
    damaged[i] ^= 0x10;
    write("train_32x32.mat", damaged);
    try {
      const Dataset part = read_svhn(paths).train;
      EXPECT_EQ(part.labels, whole.labels) << i;
      EXPECT_EQ(part.images, whole.images) << i;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("train_32x32.mat")) << i;
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 400);
}

TEST_F(SvhnTest, FlippedBytesOfAnUnpackedFileDoNoHarm) {
  packing = MAT_COMPRESSION_NONE;  // no checksums: a flipped pixel cannot be told
  const auto paths = files();
  const Bytes stored = content(paths[0]);
  for (std::size_t i = 0; i < stored.size(); i += i < 300 ? 1 : 97) {
    for (const int bit : {1, 128}) {
      Bytes damaged = stored;
      damaged[i] = static_cast<std::uint8_t>(damaged[i] ^ bit);
      write("train_32x32.mat", damaged);
      try {
        EXPECT_EQ(read_svhn(paths).train.size(), 3U) << i;
      } catch (const InputError& error) {
        EXPECT_THAT(error.what(), HasSubstr("train_32x32.mat")) << i;
      }
    }
  }
}

#else

TEST(SvhnTest, BuildWithoutMatioSaysSo) {
  const std::array<std::filesystem::path, 2> files = {"train_32x32.mat", "test_32x32.mat"};
  EXPECT_THAT(message_of<InputError>([&] { read_svhn(files); }),
              AllOf(HasSubstr("train_32x32.mat"), HasSubstr("libmatio-dev")));
}

#endif

}  // namespace
}  // namespace soret::data
