#include "soret/data/mat_check.hpp"

#include <fmt/format.h>
#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <string_view>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/data/compressed_file.hpp"

namespace soret::data {
namespace {

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kTagBytes = 8;
constexpr std::uint32_t kCompressed = 15;  // miCOMPRESSED
constexpr std::size_t kPieceBytes = std::size_t{1} << 18;

InputError damaged(const CompressedFile& file, std::uint64_t position, std::string_view what) {
  return InputError(fmt::format("{}: the element at byte {} {}; download the file again",
                                file.path().string(), position, what));
}

/// Unpacks a zlib stream and throws its content away: zlib compares the checksums.
class Unpacking {
 public:
  Unpacking() {
    if (inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  ~Unpacking() { inflateEnd(&stream_); }
  Unpacking(const Unpacking&) = delete;
  Unpacking& operator=(const Unpacking&) = delete;

  /// False if the stream is damaged or ended before `in` does.
  bool takes(std::span<const std::uint8_t> in) {
    stream_.next_in = in.data();
    stream_.avail_in = static_cast<uInt>(in.size());
    do {
      if (complete_) return stream_.avail_in == 0;
      stream_.next_out = thrown_away_.data();
      stream_.avail_out = static_cast<uInt>(thrown_away_.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      complete_ = status == Z_STREAM_END;
      if (!complete_ && status != Z_OK && status != Z_BUF_ERROR) return false;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
    return true;
  }
  bool complete() const { return complete_; }

 private:
  z_stream stream_{};
  bool complete_ = false;
  std::vector<std::uint8_t> thrown_away_ = std::vector<std::uint8_t>(kPieceBytes);
};

}  // namespace

void check_mat_file(const std::filesystem::path& path) {
  CompressedFile file(path);
  std::array<std::uint8_t, kHeaderBytes> header{};
  const std::size_t header_bytes = file.read(header);
  const bool little_endian = header[126] == 'I' && header[127] == 'M';
  const bool big_endian = header[126] == 'M' && header[127] == 'I';
  if (header_bytes < kHeaderBytes || (!little_endian && !big_endian)) {
    throw InputError(fmt::format("{}: is not a MATLAB file of format 5", path.string()));
  }
  std::vector<std::uint8_t> piece(kPieceBytes);
  std::array<std::uint8_t, kTagBytes> tag{};
  for (std::uint64_t position = kHeaderBytes;;) {
    const std::size_t got = file.read(tag);
    if (got == 0) return;
    const auto word = [&](std::size_t at) {
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < 4; ++i) value = value << 8 | tag[at + (little_endian ? 3 - i : i)];
      return value;
    };
    const bool packed = word(0) == kCompressed;
    Unpacking unpacking;
    std::uint64_t left = got < kTagBytes ? 1 : word(4);
    while (left > 0) {
      const auto part = std::span(piece).first(std::min<std::uint64_t>(left, kPieceBytes));
      const std::size_t bytes = file.read(part);
      if (bytes < part.size()) throw damaged(file, position, "ends too early: the file is truncated");
      if (packed && !unpacking.takes(part)) throw damaged(file, position, "holds damaged data");
      left -= bytes;
    }
    if (packed && !unpacking.complete()) throw damaged(file, position, "holds damaged data");
    position += kTagBytes + word(4);
  }
}

}  // namespace soret::data
