#pragma once

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "soret/base/error.hpp"

/// Small files in the exact formats of the real datasets, in a temporary directory.
namespace soret::data {

using Bytes = std::vector<std::uint8_t>;

enum class Packing { plain, gzip, xz };

inline std::string suffix(Packing packing) {
  return packing == Packing::plain ? "" : packing == Packing::gzip ? ".gz" : ".xz";
}

inline Bytes gzip(const Bytes& content) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  Bytes out(deflateBound(&stream, content.size()));
  stream.next_in = const_cast<Bytef*>(content.data());
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate");
  return out;
}

inline Bytes xz(const Bytes& content) {
  Bytes out(lzma_stream_buffer_bound(content.size()));
  std::size_t size = 0;
  if (lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr, content.data(), content.size(), out.data(), &size,
                              out.size()) != LZMA_OK) {
    throw std::runtime_error("lzma_easy_buffer_encode");
  }
  out.resize(size);
  return out;
}

inline Bytes pack(const Bytes& content, Packing packing) {
  return packing == Packing::plain ? content : packing == Packing::gzip ? gzip(content) : xz(content);
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline Bytes first_bytes(const Bytes& bytes, std::size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// Bytes with no pattern that a format could lean on; a different sequence for every seed.
inline Bytes noise(std::size_t count, std::uint32_t seed = 1) {
  Bytes out(count);
  for (auto& byte : out) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(seed >> 24);
  }
  return out;
}

inline Bytes big_endian(std::initializer_list<std::uint32_t> words) {
  Bytes out;
  for (const std::uint32_t word : words) {
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return out;
}

inline Bytes idx_images(std::uint32_t count, std::uint32_t height, std::uint32_t width, const Bytes& pixels) {
  return big_endian({0x803, count, height, width}) + pixels;
}

inline Bytes idx_labels(const Bytes& labels) {
  return big_endian({0x801, static_cast<std::uint32_t>(labels.size())}) + labels;
}

/// A CIFAR-10 batch: record r has label labels[r] and 3072 noisy bytes.
inline Bytes cifar_batch(const Bytes& labels, std::uint32_t seed) {
  Bytes out;
  for (const std::uint8_t label : labels) out = out + Bytes{label} + noise(3072, ++seed);
  return out;
}

/// CIFAR-100 records: a superclass, a class and 3072 noisy bytes each.
inline Bytes cifar100_file(const std::vector<std::pair<int, int>>& labels, std::uint32_t seed) {
  Bytes out;
  for (const auto& [coarse, fine] : labels) {
    out =
        out + Bytes{static_cast<std::uint8_t>(coarse), static_cast<std::uint8_t>(fine)} + noise(3072, ++seed);
  }
  return out;
}

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "soret-data-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    directory = pattern;
  }
  ~FilesTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  FilesTest(const FilesTest&) = delete;
  FilesTest& operator=(const FilesTest&) = delete;

  std::filesystem::path write(const std::filesystem::path& name, const Bytes& bytes) const {
    const std::filesystem::path path = directory / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
    return path;
  }

  std::filesystem::path directory;
};

/// The message of the Error that `act` throws; fails the test if it throws nothing or something else.
template <typename Error, typename Act>
std::string message_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << "another exception: " << other.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace soret::data
