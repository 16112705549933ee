#include "soret/data/tiny_imagenet.hpp"

#include <gmock/gmock.h>
#include <omp.h>
#if SORET_HAVE_TURBOJPEG
#include <turbojpeg.h>
#endif
#if SORET_HAVE_ZIP
#include <zip.h>
#endif

#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSubsetOf;

#if SORET_HAVE_TURBOJPEG

/// A JPEG of the best quality, without chroma subsampling; pixel(row, column, channel) gives its bytes.
Bytes jpeg(int width, int height, bool grey, const std::function<int(int, int, int)>& pixel) {
  Bytes pixels;
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      for (int channel = 0; channel < (grey ? 1 : 3); ++channel) {
        pixels.push_back(static_cast<std::uint8_t>(pixel(row, column, channel)));
      }
    }
  }
  const tjhandle encoder = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int status = tjCompress2(encoder, pixels.data(), width, 0, height, grey ? TJPF_GRAY : TJPF_RGB, &data,
                                 &size, grey ? TJSAMP_GRAY : TJSAMP_444, 100, 0);
  Bytes out(data, data + size);
  tjFree(data);
  tjDestroy(encoder);
  if (status != 0) throw std::runtime_error("tjCompress2");
  return out;
}

Bytes grey(int level) {
  return jpeg(64, 64, true, [level](int, int, int) { return level; });
}

Bytes text(const std::string& content) {
  return {content.begin(), content.end()};
}

/// Three classes, in an order that is not that of their names, with 2, 3 and 1 training images.
class TinyImagenetTest : public FilesTest {
 protected:
  TinyImagenetTest() {
    tree["wnids.txt"] = text("n00000003\nn00000001\nn00000002\n");
    tree["train/n00000003/images/n00000003_0.JPEG"] = grey(10);
    tree["train/n00000003/images/n00000003_1.JPEG"] = grey(11);
    tree["train/n00000003/n00000003_boxes.txt"] = text("n00000003_0.JPEG\t0\t0\t62\t62\n");
    tree["train/n00000001/images/n00000001_2.JPEG"] = grey(21);
    tree["train/n00000001/images/n00000001_0.JPEG"] = grey(20);
    tree["train/n00000001/images/n00000001_10.JPEG"] = grey(22);
    tree["train/n00000001/images/notes.txt"] = text("no image");
    tree["train/n00000002/images/n00000002_0.JPEG"] = grey(30);
    tree["val/val_annotations.txt"] = text(
        "val_0.JPEG\tn00000002\t0\t32\t44\t62\n"
        "val_1.JPEG\tn00000003\t0\t0\t63\t63\n");
    tree["val/images/val_0.JPEG"] = grey(200);
    tree["val/images/val_1.JPEG"] = grey(201);
  }

  /// The path of the tree as a folder.
  std::filesystem::path folder() const {
    std::filesystem::remove_all(directory / "tiny-imagenet-200");
    for (const auto& [name, content] : tree) write("tiny-imagenet-200/" + name, content);
    return directory / "tiny-imagenet-200";
  }
  static TrainTest read(const std::filesystem::path& path, const SampleLimit& limit = {}) {
    return read_tiny_imagenet(std::array{path}, limit);
  }
  static TrainTest read_32(const std::filesystem::path& path) {
    return read_tiny_imagenet_32(std::array{path});
  }
  std::string complaint() const {
    return message_of<InputError>([this] { read(folder()); });
  }

  /// The level of a sample, all of whose pixels must be equal.
  static int level(const Dataset& part, std::size_t sample) {
    const auto image = part.image(sample);
    for (const float pixel : image) EXPECT_EQ(pixel, image[0]);
    return static_cast<int>(std::lround(255.0F * image[0]));
  }
  static std::vector<int> levels(const Dataset& part) {
    std::vector<int> out;
    for (std::size_t s = 0; s < part.size(); ++s) out.push_back(level(part, s));
    return out;
  }

  std::map<std::string, Bytes> tree;
};

TEST_F(TinyImagenetTest, GoesRoundTheClassesInTheOrderOfWnids) {
  const TrainTest parts = read(folder());
  EXPECT_EQ(parts.train.classes, 3);
  EXPECT_EQ(parts.train.channels, 3);
  EXPECT_EQ(parts.train.height, 64);
  EXPECT_EQ(parts.train.width, 64);
  EXPECT_THAT(parts.train.labels, ElementsAre(0, 1, 2, 0, 1, 1));
  EXPECT_THAT(levels(parts.train), ElementsAre(10, 20, 30, 11, 21, 22));
  EXPECT_THAT(parts.test.labels, ElementsAre(2, 0));
  EXPECT_THAT(levels(parts.test), ElementsAre(200, 201));
}

TEST_F(TinyImagenetTest, LimitReadsTheFirstSamplesOnly) {
  const TrainTest some = read(folder(), {.train = 4, .test = 1});
  EXPECT_THAT(levels(some.train), ElementsAre(10, 20, 30, 11));
  EXPECT_THAT(levels(some.test), ElementsAre(200));
  EXPECT_EQ(read(folder(), {.train = 0, .test = 0}).train.size(), 0U);
}

TEST_F(TinyImagenetTest, LinesMayEndAsOnWindowsAndTheLastNotAtAll) {
  tree["wnids.txt"] = text("n00000003\r\nn00000001\r\nn00000002");
  EXPECT_THAT(read(folder()).train.labels, ElementsAre(0, 1, 2, 0, 1, 1));
}

TEST_F(TinyImagenetTest, ColoursRowsAndColumnsAreInPlace) {
  const auto pixel = [](int row, int column, int channel) {
    return channel == 0 ? 4 * row : channel == 1 ? 4 * column : 128;
  };
  tree["val/images/val_0.JPEG"] = jpeg(64, 64, false, pixel);
  const Dataset test = read(folder()).test;
  for (int channel = 0; channel < 3; ++channel) {
    for (int row = 0; row < 64; ++row) {
      for (int column = 0; column < 64; ++column) {
        // What the conversion to luminance and chrominance and back rounds away.
        ASSERT_NEAR(test.image(0)[static_cast<std::size_t>((channel * 64 + row) * 64 + column)] * 255.0F,
                    pixel(row, column, channel), 3.0)
            << channel << ' ' << row << ' ' << column;
      }
    }
  }
}

TEST_F(TinyImagenetTest, HalfSizePixelsAreMeansOfFour) {
  tree["val/images/val_0.JPEG"] = jpeg(64, 64, false, [](int row, int column, int channel) {
    return 128 + static_cast<int>(60 * std::sin(0.7 * row + channel) + 60 * std::cos(0.9 * column));
  });
  const Dataset whole = read(folder()).test;
  const Dataset half = read_32(folder()).test;
  EXPECT_EQ(half.height, 32);
  EXPECT_EQ(half.width, 32);
  EXPECT_EQ(half.labels, whole.labels);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t row = 0; row < 32; ++row) {
      for (std::size_t column = 0; column < 32; ++column) {
        int sum = 0;
        for (const std::size_t offset : {0U, 1U, 64U, 65U}) {
          const float pixel = whole.image(0)[(channel * 64 + 2 * row) * 64 + 2 * column + offset];
          sum += static_cast<int>(std::lround(255.0F * pixel));
        }
        ASSERT_EQ(half.image(0)[(channel * 32 + row) * 32 + column], static_cast<float>(sum) / 1020.0F);
      }
    }
  }
}

TEST_F(TinyImagenetTest, ThreadsChangeNothing) {
  const std::filesystem::path path = folder();
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const TrainTest alone = read(path);
  omp_set_num_threads(5);
  const TrainTest together = read(path);
  tree["val/images/val_0.JPEG"].resize(50);
  tree["val/images/val_1.JPEG"].resize(50);
  const std::filesystem::path bad = folder();
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_THAT(message_of<InputError>([&] { read(bad); }), HasSubstr("val_0.JPEG"));
  }
  omp_set_num_threads(before);
  EXPECT_EQ(alone.train.images, together.train.images);
  EXPECT_EQ(alone.test.images, together.test.images);
}

TEST_F(TinyImagenetTest, BadClassListsAreRefused) {
  tree["wnids.txt"] = text("n00000003\nn0000001\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("wnids.txt: line 2"), HasSubstr("\"n0000001\"")));
  tree["wnids.txt"] = text("n00000003\nn00000001\nn00000003\n");
  EXPECT_THAT(complaint(), HasSubstr("wnids.txt: line 3"));
  tree["wnids.txt"] = {};
  EXPECT_THAT(complaint(), HasSubstr("wnids.txt: is empty"));
  tree.erase("wnids.txt");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("wnids.txt: cannot be read"), HasSubstr("No such file")));
  tree["wnids.txt"] = text("n00000003\nn00000009\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("train/n00000009/images"), HasSubstr("no images")));
}

TEST_F(TinyImagenetTest, BadAnnotationsAreRefused) {
  for (const std::string line :
       {"val_1.JPEG\tn00000004\t0\t0\t1\t1", "val_1.JPEG", "", "\tn00000003", "val_1.JPEG\t"}) {
    tree["val/val_annotations.txt"] = text("val_0.JPEG\tn00000002\t0\t32\t44\t62\n" + line + "\n");
    EXPECT_THAT(complaint(), AllOf(HasSubstr("val_annotations.txt: line 2"), HasSubstr("wnids.txt"))) << line;
  }
  tree["val/val_annotations.txt"] = text("val_7.JPEG\tn00000002\t0\t32\t44\t62\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("val/images/val_7.JPEG"), HasSubstr("No such file")));
}

TEST_F(TinyImagenetTest, BadImagesAreRefused) {
  Bytes& image = tree["train/n00000001/images/n00000001_2.JPEG"];
  const Bytes whole = jpeg(64, 64, false, [](int row, int column, int) { return (row * column) % 256; });
  for (std::size_t size = 0; size + 2 < whole.size(); size += size < 20 ? 1 : 199) {
    image = first_bytes(whole, size);
    EXPECT_THAT(complaint(), HasSubstr("train/n00000001/images/n00000001_2.JPEG")) << size;
  }
  image = noise(2000);
  EXPECT_THAT(complaint(), HasSubstr("n00000001_2.JPEG: is not a JPEG image"));
  image = jpeg(64, 63, true, [](int, int, int) { return 1; });
  EXPECT_THAT(complaint(), AllOf(HasSubstr("n00000001_2.JPEG"), HasSubstr("64 x 63")));
  image = Bytes((1U << 22) + 1, 0);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("n00000001_2.JPEG"), HasSubstr("4194305 bytes")));
}

#if SORET_HAVE_ZIP

class TinyImagenetZipTest : public TinyImagenetTest {
 protected:
  std::string top = "tiny-imagenet-200/";

  std::filesystem::path archive() const {
    const std::filesystem::path path = directory / "tiny-imagenet-200.zip";
    int code = 0;
    zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (zip == nullptr) throw std::runtime_error("zip_open");
    zip_dir_add(zip, top.c_str(), 0);
    for (const auto& [name, content] : tree) {
      zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
      if (zip_file_add(zip, (top + name).c_str(), source, 0) < 0) throw std::runtime_error("zip_file_add");
    }
    if (zip_close(zip) != 0) throw std::runtime_error("zip_close");
    return path;
  }
  static Bytes content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string complaint() const {
    return message_of<InputError>([this] { read(archive()); });
  }
};

TEST_F(TinyImagenetZipTest, ArchiveHoldsWhatTheFolderDoes) {
  const TrainTest from_zip = read(archive());
  const TrainTest from_folder = read(folder());
  EXPECT_EQ(from_zip.train.labels, from_folder.train.labels);
  EXPECT_EQ(from_zip.train.images, from_folder.train.images);
  EXPECT_EQ(from_zip.test.labels, from_folder.test.labels);
  EXPECT_EQ(from_zip.test.images, from_folder.test.images);
  EXPECT_EQ(read_32(archive()).train.images, read_32(folder()).train.images);
}

TEST_F(TinyImagenetZipTest, TruncatedArchivesAreRefused) {
  const std::filesystem::path path = archive();
  const Bytes whole = content(path);
  for (std::size_t size = 0; size < whole.size(); size += 577) {
    write("tiny-imagenet-200.zip", first_bytes(whole, size));
    EXPECT_THAT(message_of<InputError>([&] { read(path); }), HasSubstr("tiny-imagenet-200.zip")) << size;
  }
}

TEST_F(TinyImagenetZipTest, FlippedBytesNeverGiveOtherPixels) {
  const std::filesystem::path path = archive();
  const TrainTest parts = read(path);
  const Bytes whole = content(path);
  int noticed = 0;
  for (std::size_t i = 0; i < whole.size(); i += 13) {
    Bytes damaged = whole;
    damaged[i] ^= 0x10;
    write("tiny-imagenet-200.zip", damaged);
    try {
      // Names have no checksum: a training image may have moved in its class, or be gone from it.
      const TrainTest read_back = read(path);
      EXPECT_THAT(levels(read_back.train), IsSubsetOf(levels(parts.train))) << i;
      EXPECT_EQ(read_back.test.images, parts.test.images) << i;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("tiny-imagenet-200.zip")) << i;
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 100);
}

TEST_F(TinyImagenetZipTest, MessagesNameTheFileInTheArchive) {
  tree["train/n00000001/images/n00000001_2.JPEG"].resize(100);
  EXPECT_THAT(
      complaint(),
      HasSubstr("tiny-imagenet-200.zip: tiny-imagenet-200/train/n00000001/images/n00000001_2.JPEG: is not"));
  tree.erase("val/images/val_1.JPEG");
  tree["train/n00000001/images/n00000001_2.JPEG"] = grey(1);
  EXPECT_THAT(complaint(), HasSubstr("val/images/val_1.JPEG: is not in the archive"));
  top = "another/";
  EXPECT_THAT(complaint(), HasSubstr("tiny-imagenet-200/wnids.txt: is not in the archive"));
}

#else

TEST_F(TinyImagenetTest, BuildWithoutLibzipSaysSo) {
  const std::filesystem::path path = write("tiny-imagenet-200.zip", noise(100));
  EXPECT_THAT(message_of<InputError>([&] { read(path); }),
              AllOf(HasSubstr("tiny-imagenet-200.zip"), HasSubstr("unpack it"), HasSubstr("libzip-dev")));
}

#endif

#else

TEST(TinyImagenetTest, BuildWithoutLibjpegTurboSaysSo) {
  EXPECT_THAT(message_of<InputError>([] { read_tiny_imagenet(std::array{std::filesystem::path("tiny")}); }),
              HasSubstr("libturbojpeg0-dev"));
}

#endif

}  // namespace
}  // namespace soret::data
