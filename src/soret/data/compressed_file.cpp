#include "soret/data/compressed_file.hpp"

#include <fmt/format.h>
#include <lzma.h>
#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "soret/base/error.hpp"

namespace soret::data {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Room = std::span<std::uint8_t>;

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
constexpr std::size_t kMaxStep = std::size_t{1} << 30;              // zlib counts in 32 bits
constexpr std::uint64_t kXzMemoryLimit = std::uint64_t{256} << 20;  // xz -9 needs 65 MiB

constexpr std::array<std::uint8_t, 2> kGzipMagic = {0x1f, 0x8b};
constexpr std::array<std::uint8_t, 6> kXzMagic = {0xfd, '7', 'z', 'X', 'Z', 0x00};

template <std::size_t N>
bool starts_with(Bytes bytes, const std::array<std::uint8_t, N>& magic) {
  return bytes.size() >= N && std::equal(magic.begin(), magic.end(), bytes.begin());
}

InputError broken(const std::filesystem::path& path, std::string_view format, std::string_view what) {
  return InputError(fmt::format("{}: {} data {}; download the file again", path.string(), format, what));
}

/// Turns stored bytes into content. decode() takes from the front of `in`, writes to the front of `out`,
/// shortens both by what it used, and returns true once the content is complete. `last`: nothing follows
/// `in`.
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;
  virtual bool decode(Bytes& in, Room& out, bool last) = 0;
};

class PlainDecoder final : public Decoder {
 public:
  bool decode(Bytes& in, Room& out, bool last) override {
    const std::size_t count = std::min(in.size(), out.size());
    std::copy_n(in.begin(), count, out.begin());
    in = in.subspan(count);
    out = out.subspan(count);
    return last && in.empty();
  }
};

/// A gzip file is a sequence of members (RFC 1952, section 2.2); whatever follows one must be another.
class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(std::filesystem::path path) : path_(std::move(path)) {
    constexpr int kWindowBits = 15 + 16;  // the largest window; +16: gzip format only
    if (inflateInit2(&stream_, kWindowBits) != Z_OK) throw std::bad_alloc();
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  bool decode(Bytes& in, Room& out, bool last) override {
    if (between_members_) {
      if (in.empty()) return last;
      inflateReset(&stream_);
      between_members_ = false;
    }
    const std::size_t room = std::min(out.size(), kMaxStep);
    stream_.next_in = in.data();
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    in = in.last(stream_.avail_in);
    out = out.subspan(room - stream_.avail_out);
    if (status == Z_STREAM_END) {
      between_members_ = true;
      first_member_ = false;
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const std::string_view reason = stream_.msg != nullptr ? stream_.msg : "no reason given";
      throw broken(
          path_, "gzip",
          fmt::format("are damaged{} ({})", first_member_ ? "" : " or followed by something else", reason));
    } else if (last && in.empty() && stream_.avail_out > 0) {
      throw broken(path_, "gzip", "end too early: the file is truncated");
    }
    return false;
  }

 private:
  std::filesystem::path path_;
  z_stream stream_{};
  bool between_members_ = false;
  bool first_member_ = true;
};

class XzDecoder final : public Decoder {
 public:
  explicit XzDecoder(std::filesystem::path path) : path_(std::move(path)) {
    if (lzma_stream_decoder(&stream_, kXzMemoryLimit, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~XzDecoder() override { lzma_end(&stream_); }

  bool decode(Bytes& in, Room& out, bool last) override {
    stream_.next_in = in.data();
    stream_.avail_in = in.size();
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    const lzma_ret status = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
    in = in.last(stream_.avail_in);
    out = out.last(stream_.avail_out);
    switch (status) {
      case LZMA_OK:
        return false;
      case LZMA_STREAM_END:
        return true;
      case LZMA_MEM_ERROR:
        throw std::bad_alloc();
      case LZMA_BUF_ERROR:
        throw broken(path_, "xz", "end too early: the file is truncated");
      case LZMA_MEMLIMIT_ERROR:
        throw InputError(fmt::format("{}: needs more than {} MiB to decompress; unpack it with xz -d",
                                     path_.string(), kXzMemoryLimit >> 20));
      case LZMA_OPTIONS_ERROR:
        throw InputError(fmt::format(
            "{}: uses xz features that this liblzma does not know; unpack it with xz -d", path_.string()));
      default:
        throw broken(path_, "xz", "are damaged or followed by something else");
    }
  }

 private:
  std::filesystem::path path_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

std::unique_ptr<Decoder> make_decoder(const std::filesystem::path& path, Bytes head) {
  if (starts_with(head, kGzipMagic)) return std::make_unique<GzipDecoder>(path);
  if (starts_with(head, kXzMagic)) return std::make_unique<XzDecoder>(path);
  return std::make_unique<PlainDecoder>();
}

}  // namespace

struct CompressedFile::State {
  std::filesystem::path path;
  std::ifstream file;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kBufferBytes);
  Bytes pending;            // stored bytes not yet decoded, inside `buffer`
  bool file_ended = false;  // nothing is left to read behind `pending`
  bool finished = false;    // the content is complete
  std::uint64_t position = 0;
  std::unique_ptr<Decoder> decoder;

  void refill() {
    file.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
    if (file.bad()) {
      throw InputError(
          fmt::format("{}: cannot be read: {}", path.string(), std::generic_category().message(errno)));
    }
    file_ended = file.eof();
    pending = std::span(buffer).first(static_cast<std::size_t>(file.gcount()));
  }
};

CompressedFile::CompressedFile(std::filesystem::path path) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  errno = 0;
  state_->file.open(state_->path, std::ios::binary);
  if (!state_->file) {
    throw InputError(fmt::format("{}: cannot be opened: {}", state_->path.string(),
                                 std::generic_category().message(errno)));
  }
  state_->refill();
  state_->decoder = make_decoder(state_->path, state_->pending);
}

CompressedFile::~CompressedFile() = default;
CompressedFile::CompressedFile(CompressedFile&&) noexcept = default;
CompressedFile& CompressedFile::operator=(CompressedFile&&) noexcept = default;

const std::filesystem::path& CompressedFile::path() const {
  return state_->path;
}

std::size_t CompressedFile::read(std::span<std::uint8_t> out) {
  const std::size_t asked = out.size();
  while (!out.empty() && !state_->finished) {
    if (state_->pending.empty() && !state_->file_ended) state_->refill();
    state_->finished = state_->decoder->decode(state_->pending, out, state_->file_ended);
  }
  state_->position += asked - out.size();
  return asked - out.size();
}

std::vector<std::uint8_t> CompressedFile::read_up_to(std::size_t count) {
  constexpr std::size_t kFirstBytes = std::size_t{1} << 20;
  std::vector<std::uint8_t> content;
  std::size_t filled = 0;
  while (filled == content.size() && filled < count) {
    content.resize(std::min(count, std::max(kFirstBytes, 2 * filled)));
    filled += read(std::span(content).subspan(filled));
  }
  content.resize(filled);
  return content;
}

void CompressedFile::expect_end() {
  const std::uint64_t expected = state_->position;
  std::uint8_t byte = 0;
  if (read({&byte, 1}) != 0) {
    throw InputError(
        fmt::format("{}: holds more than the {} bytes expected of it", state_->path.string(), expected));
  }
}

}  // namespace soret::data
