#include "soret/data/load.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>

#include "files.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class LoadTest : public FilesTest {
 protected:
  LoadTest() {
    if (const char* value = std::getenv("SORET_DATA")) environment_ = value;
    unsetenv("SORET_DATA");
  }
  ~LoadTest() override {
    unsetenv("SORET_DATA");
    if (environment_) setenv("SORET_DATA", environment_->c_str(), 1);
  }

  /// A set of one training and one test image of a single pixel, recognised by its training label.
  void write_idx(const std::filesystem::path& folder, std::uint8_t label,
                 Packing packing = Packing::plain) const {
    const auto put = [&](const std::string& name, const Bytes& bytes) {
      write(folder / (name + suffix(packing)), pack(bytes, packing));
    };
    put("train-images-idx3-ubyte", idx_images(1, 1, 1, {0}));
    put("train-labels-idx1-ubyte", idx_labels({label}));
    put("t10k-images-idx3-ubyte", idx_images(1, 1, 1, {0}));
    put("t10k-labels-idx1-ubyte", idx_labels({0}));
  }
  void write_cifar10(const std::filesystem::path& folder, std::uint8_t label, Packing packing) const {
    for (const std::string name :
         {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
      write(folder / (name + ".bin" + suffix(packing)), pack(cifar_batch({label}, 1), packing));
    }
  }

 private:
  std::optional<std::string> environment_;
};

TEST_F(LoadTest, FindsEachDatasetInItsOwnFolder) {
  write_idx("mnist", 1, Packing::gzip);
  write_idx("fashion-mnist", 2);
  write_cifar10("cifar10", 3, Packing::xz);
  EXPECT_THAT(load("mnist", directory).train.labels, ElementsAre(1));
  EXPECT_THAT(load("fashion_mnist", directory).train.labels, ElementsAre(2));
  const TrainTest cifar = load("cifar10", directory, {.train = 2, .test = 1});
  EXPECT_THAT(cifar.train.labels, ElementsAre(3, 3));
  EXPECT_EQ(cifar.train.name, "cifar10");
  EXPECT_EQ(cifar.test.name, "cifar10");
}

TEST_F(LoadTest, FindsOtherUsualFolders) {
  write_idx("MNIST/raw", 1);
  write_idx("FashionMNIST/raw", 2);
  write_cifar10("cifar-10-batches-bin", 3, Packing::gzip);
  EXPECT_THAT(load("mnist", directory).train.labels, ElementsAre(1));
  EXPECT_THAT(load("fashion_mnist", directory).train.labels, ElementsAre(2));
  EXPECT_EQ(load("cifar10", directory).train.size(), 5U);
}

TEST_F(LoadTest, FindsBothLabellingsOfCifar100) {
  write("cifar-100-binary/train.bin.gz", gzip(cifar100_file({{3, 77}}, 1)));
  write("cifar-100-binary/test.bin.gz", gzip(cifar100_file({{4, 88}}, 1)));
  EXPECT_THAT(load("cifar100", directory).test.labels, ElementsAre(88));
  EXPECT_THAT(load("cifar100_coarse", directory).test.labels, ElementsAre(4));
  EXPECT_THAT(load("cifar100", directory / "cifar-100-binary").train.labels, ElementsAre(77));
}

TEST_F(LoadTest, TinyImagenetIsAFolderOrAnArchive) {
  const std::string root = directory.string();
  EXPECT_THAT(message_of<InputError>([&] { load("tiny_imagenet", directory); }),
              AllOf(HasSubstr("(a folder or .zip)"), HasSubstr(root + ": has no tiny-imagenet-200\n")));
  write("tiny-imagenet/tiny-imagenet-200.zip", noise(100));
  EXPECT_THAT(message_of<InputError>([&] { load("tiny_imagenet_32", directory); }),
              HasSubstr(root + "/tiny-imagenet/tiny-imagenet-200.zip: "));
  write("tiny-imagenet/tiny-imagenet-200/wnids.txt", {});
  EXPECT_THAT(message_of<InputError>([&] { load("tiny_imagenet", directory); }),
              HasSubstr(root + "/tiny-imagenet/tiny-imagenet-200"));
}

TEST_F(LoadTest, FindsFilesInTheDirectoryItself) {
  write_idx("", 4, Packing::xz);
  EXPECT_THAT(load("mnist", directory).train.labels, ElementsAre(4));
  EXPECT_THAT(load("fashion_mnist", directory).train.labels, ElementsAre(4));
}

TEST_F(LoadTest, NeverTakesMnistForFashionMnist) {
  write_idx("mnist", 1);
  write_idx("FashionMNIST/raw", 2);
  EXPECT_THAT(load("mnist", directory / "mnist").train.labels, ElementsAre(1));
  for (const auto& other : {directory / "mnist", directory / "mnist" / "", directory / "mnist" / "."}) {
    EXPECT_THAT(message_of<InputError>([&] { load("fashion_mnist", other); }), HasSubstr("another dataset"));
  }
  EXPECT_THROW(load("mnist", directory / "FashionMNIST" / "raw"), InputError);
}

TEST_F(LoadTest, EnvironmentVariableNamesTheDirectoryUnlessOneIsGiven) {
  write_idx("a/mnist", 1);
  write_idx("b/mnist", 2);
  setenv("SORET_DATA", (directory / "a").c_str(), 1);
  EXPECT_THAT(load("mnist", "").train.labels, ElementsAre(1));
  EXPECT_THAT(load("mnist", directory / "b").train.labels, ElementsAre(2));
  EXPECT_THROW(load("mnist", directory / "c"), InputError);
}

TEST_F(LoadTest, WithoutADirectoryTheMessageSaysHowToNameOne) {
  for (const char* value : {"", static_cast<const char*>(nullptr)}) {
    if (value != nullptr) setenv("SORET_DATA", value, 1);
    EXPECT_THAT(message_of<InputError>([] { load("mnist", ""); }),
                AllOf(HasSubstr("data.path"), HasSubstr("SORET_DATA"),
                      HasSubstr("scripts/download_data.sh mnist DIR")));
    unsetenv("SORET_DATA");
  }
}

TEST_F(LoadTest, AbsentDatasetMessageSaysWhatWhereAndHowToGetIt) {
  write_idx("mnist", 1);
  std::filesystem::remove(directory / "mnist" / "t10k-labels-idx1-ubyte");
  const std::string root = directory.string();
  EXPECT_THAT(message_of<InputError>([&] { load("mnist", directory); }),
              AllOf(HasSubstr(root + "/mnist: has no t10k-labels-idx1-ubyte\n"),
                    HasSubstr(root + "/MNIST/raw: no such folder"),
                    HasSubstr(root + ": has no train-images-idx3-ubyte, train-labels"),
                    HasSubstr("scripts/download_data.sh mnist " + root), HasSubstr("data.path = " + root),
                    HasSubstr("SORET_DATA=" + root), Not(HasSubstr("another dataset"))));
}

TEST_F(LoadTest, UnknownKindListsTheKnownOnes) {
  EXPECT_THAT(message_of<ConfigError>([&] { load("imagenet", directory); }),
              AllOf(HasSubstr("imagenet"), HasSubstr("mnist, fashion_mnist, cifar10")));
  EXPECT_THAT(dataset_kinds(), ElementsAre("mnist", "fashion_mnist", "cifar10", "cifar100", "cifar100_coarse",
                                           "svhn", "tiny_imagenet", "tiny_imagenet_32"));
}

}  // namespace
}  // namespace soret::data
