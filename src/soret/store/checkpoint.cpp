#include "soret/store/checkpoint.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <system_error>

#include "soret/base/error.hpp"

namespace soret::store {
namespace {

namespace fs = std::filesystem;

fs::path previous(const fs::path& file) {
  return file.string() + ".previous";
}

class Crc {
 public:
  void add(const void* data, std::size_t bytes) {
    value_ = ::crc32_z(value_, static_cast<const Bytef*>(data), bytes);
  }
  /// With its length, so that neighbours cannot trade characters.
  void add(const std::string& text) {
    add(text.size());
    add(text.data(), text.size());
  }
  void add(std::size_t number) { add(&number, sizeof number); }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }

 private:
  uLong value_ = ::crc32_z(0, nullptr, 0);
};

constexpr const char* kChecksum = "checksum";

std::int64_t checksum(const Dataset& dataset) {
  Crc crc;
  for (const auto& [name, value] : dataset.attributes) {
    if (name == kChecksum) continue;
    crc.add(name);
    if (const auto* text = std::get_if<std::string>(&value))
      crc.add(*text);
    else
      std::visit([&](const auto& plain) { crc.add(&plain, sizeof plain); }, value);
  }
  for (const Variable& variable : dataset.variables) {
    crc.add(variable.name);
    for (const std::string& dimension : variable.dimensions) {
      crc.add(dimension);
      crc.add(dataset.size(dimension));
    }
    std::visit(
        [&]<class T>(const std::vector<T>& data) {
          if constexpr (std::is_same_v<T, std::string>)
            for (const std::string& text : data) crc.add(text);
          else
            crc.add(data.data(), data.size() * sizeof(T));
        },
        variable.data);
  }
  return crc.value();
}

}  // namespace

void write_checkpoint(Dataset dataset, const fs::path& file) {
  dataset.attributes[kChecksum] = checksum(dataset);
  if (fs::exists(file)) {
    std::error_code error;
    fs::rename(file, previous(file), error);
    if (error)
      throw RunError(
          fmt::format("cannot keep {} as {}: {}", file.string(), previous(file).string(), error.message()));
  }
  write(dataset, file);
}

Dataset read_checkpoint(const fs::path& file) {
  Dataset dataset = read(file);
  const auto stated = dataset.attributes.find(kChecksum);
  if (stated == dataset.attributes.end())
    throw InputError(fmt::format("cannot read {}: it is not a checkpoint", file.string()));
  if (stated->second != Attribute(checksum(dataset)))
    throw InputError(fmt::format("cannot read {}: damaged, its checksum is another one", file.string()));
  return dataset;
}

std::optional<Recovered> recover_checkpoint(const fs::path& file) {
  std::string note;
  for (const fs::path& candidate : {file, previous(file)}) {
    if (!fs::exists(candidate)) continue;
    try {
      Recovered recovered{read_checkpoint(candidate), note};
      // In the place of a damaged one, so that the next write keeps this one and not that.
      std::error_code ignored;
      if (candidate != file) fs::rename(candidate, file, ignored);
      return recovered;
    } catch (const InputError& error) {
      note += fmt::format("{}{}", note.empty() ? "" : "; ", error.what());
    }
  }
  if (!note.empty()) throw InputError(note);
  return std::nullopt;
}

void remove_checkpoint(const fs::path& file) noexcept {
  std::error_code ignored;
  fs::remove(file, ignored);
  fs::remove(previous(file), ignored);
}

}  // namespace soret::store
