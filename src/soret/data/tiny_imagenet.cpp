#include "soret/data/tiny_imagenet.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"

#if SORET_HAVE_TURBOJPEG
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "soret/data/file_tree.hpp"
#endif

namespace soret::data {

#if SORET_HAVE_TURBOJPEG

namespace {

constexpr int kSide = 64;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 22;  // 64 x 64 pixels take a few thousand

struct LabelledFile {
  std::string name;
  std::int32_t label;
};

std::vector<std::string> read_lines(const FileTree& tree, const std::string& name) {
  const std::vector<std::uint8_t> content = tree.read(name, kMaxFileBytes);
  std::vector<std::string> lines;
  for (auto begin = content.begin(); begin != content.end();) {
    const auto end = std::find(begin, content.end(), '\n');
    std::string& line = lines.emplace_back(begin, end);
    if (line.ends_with('\r')) line.pop_back();
    begin = end == content.end() ? end : std::next(end);
  }
  return lines;
}

using Classes = std::map<std::string, std::int32_t, std::less<>>;  // label by WordNet id

bool is_wordnet_id(std::string_view text) {
  return text.size() == 9 && text[0] == 'n' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Classes read_classes(const FileTree& tree) {
  const std::string name = "wnids.txt";
  const std::vector<std::string> lines = read_lines(tree, name);
  if (lines.empty()) throw InputError(fmt::format("{}: is empty", tree.place(name)));
  Classes classes;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!is_wordnet_id(lines[i]) || !classes.emplace(lines[i], static_cast<std::int32_t>(i)).second) {
      throw InputError(fmt::format("{}: line {} is \"{}\", not a WordNet id (n and eight digits) of its own",
                                   tree.place(name), i + 1, lines[i]));
    }
  }
  return classes;
}

/// Training images that go round the classes.
std::vector<LabelledFile> list_train(const FileTree& tree, const Classes& classes, std::size_t limit) {
  std::vector<std::tuple<std::size_t, std::int32_t, std::string>>
      ordered;  // number in its class, label, name
  for (const auto& [id, label] : classes) {
    const std::string folder = fmt::format("train/{}/images", id);
    std::vector<std::string> names = tree.files_in(folder);
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".JPEG"); });
    if (names.empty()) throw InputError(fmt::format("{}: has no images (*.JPEG)", tree.place(folder)));
    // n01443537_2.JPEG before n01443537_10.JPEG.
    std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
      return std::pair(a.size(), std::string_view(a)) < std::pair(b.size(), std::string_view(b));
    });
    for (std::size_t i = 0; i < names.size(); ++i) {
      ordered.emplace_back(i, label, fmt::format("{}/{}", folder, names[i]));
    }
  }
  std::sort(ordered.begin(), ordered.end());
  std::vector<LabelledFile> files;
  for (const auto& [number, label, name] : ordered) {
    if (files.size() == limit) break;
    files.push_back({name, label});
  }
  return files;
}

std::vector<LabelledFile> list_test(const FileTree& tree, const Classes& classes, std::size_t limit) {
  const std::string name = "val/val_annotations.txt";
  const std::vector<std::string> lines = read_lines(tree, name);
  if (lines.empty()) throw InputError(fmt::format("{}: is empty", tree.place(name)));
  std::vector<LabelledFile> files;
  for (std::size_t i = 0; i < std::min(lines.size(), limit); ++i) {
    // File, class, and a box that is not used here, with tabs between them.
    const std::string_view line = lines[i];
    const std::size_t first = std::min(line.find('\t'), line.size());
    const std::size_t second = std::min(line.find('\t', first + 1), line.size());
    const auto label =
        first < line.size() ? classes.find(line.substr(first + 1, second - first - 1)) : classes.end();
    if (first == 0 || label == classes.end()) {
      throw InputError(
          fmt::format("{}: line {} is \"{}\", but an image and a class of wnids.txt are expected",
                      tree.place(name), i + 1, line));
    }
    files.push_back({fmt::format("val/images/{}", line.substr(0, first)), label->second});
  }
  return files;
}

using Pixels = std::array<std::uint8_t, kChannels * kSide * kSide>;  // [row][column][channel]

void decode(const std::vector<std::uint8_t>& jpeg, const std::string& place, Pixels& pixels) {
  struct Destroy {
    void operator()(void* decoder) const { tjDestroy(decoder); }
  };
  const std::unique_ptr<std::remove_pointer_t<tjhandle>, Destroy> decoder(tjInitDecompress());
  if (!decoder) throw std::bad_alloc();
  const auto require = [&](int status) {
    if (status != 0) {
      throw InputError(fmt::format("{}: is not a JPEG image, or a truncated or damaged one: {}", place,
                                   tjGetErrorStr2(decoder.get())));
    }
  };
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  require(
      tjDecompressHeader3(decoder.get(), jpeg.data(), jpeg.size(), &width, &height, &subsampling, &colours));
  if (width != kSide || height != kSide) {
    throw InputError(fmt::format("{}: is an image of {} x {} pixels; {} x {} are expected", place, width,
                                 height, kSide, kSide));
  }
  require(tjDecompress2(decoder.get(), jpeg.data(), jpeg.size(), pixels.data(), kSide, 0, kSide, TJPF_RGB,
                        TJFLAG_STOPONWARNING));
}

/// out[channel][row][column], each the mean of block x block pixels, divided by 255 and rounded once.
void shrink(const Pixels& pixels, int block, std::span<float> out) {
  const int side = kSide / block;
  const auto whole = static_cast<float>(255 * block * block);
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    for (int row = 0; row < side; ++row) {
      for (int column = 0; column < side; ++column) {
        int sum = 0;
        for (int i = 0; i < block; ++i) {
          for (int j = 0; j < block; ++j) {
            const auto pixel = static_cast<std::size_t>((row * block + i) * kSide + column * block + j);
            sum += pixels[pixel * kChannels + channel];
          }
        }
        out[(channel * static_cast<std::size_t>(side) + static_cast<std::size_t>(row)) *
                static_cast<std::size_t>(side) +
            static_cast<std::size_t>(column)] = static_cast<float>(sum) / whole;
      }
    }
  }
}

Dataset read_part(const FileTree& tree, const std::vector<LabelledFile>& files, std::size_t classes,
                  int block) {
  Dataset part{.name = {},
               .channels = kChannels,
               .height = kSide / block,
               .width = kSide / block,
               .classes = static_cast<std::int32_t>(classes),
               .images = {},
               .labels = {}};
  part.images.resize(files.size() * part.features());
  for (const LabelledFile& file : files) part.labels.push_back(file.label);
  // Of several bad images, the first is reported: those before a bad one are always read.
  std::size_t bad = files.size();
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 16)
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::size_t first_bad = 0;
#pragma omp atomic read
    first_bad = bad;
    if (i > first_bad) continue;
    try {
      Pixels pixels;
      decode(tree.read(files[i].name, kMaxFileBytes), tree.place(files[i].name), pixels);
      shrink(pixels, block, std::span(part.images).subspan(i * part.features(), part.features()));
    } catch (...) {
#pragma omp critical(soret_tiny_imagenet_failure)
      if (i < bad) {
#pragma omp atomic write
        bad = i;
        failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
  return part;
}

TrainTest read(std::span<const std::filesystem::path> files, const SampleLimit& limit, int block) {
  const auto tree = open_tree(files[0], "tiny-imagenet-200");
  const Classes classes = read_classes(*tree);
  return {.train = read_part(*tree, list_train(*tree, classes, limit.train), classes.size(), block),
          .test = read_part(*tree, list_test(*tree, classes, limit.test), classes.size(), block)};
}

}  // namespace

TrainTest read_tiny_imagenet(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read(files, limit, 1);
}

TrainTest read_tiny_imagenet_32(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read(files, limit, 2);
}

#else

TrainTest read_tiny_imagenet(std::span<const std::filesystem::path> files, const SampleLimit&) {
  throw InputError(fmt::format(
      "{}: this build of Soret cannot read JPEG images; install libturbojpeg0-dev and build it again",
      files[0].string()));
}

TrainTest read_tiny_imagenet_32(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read_tiny_imagenet(files, limit);
}

#endif

}  // namespace soret::data
