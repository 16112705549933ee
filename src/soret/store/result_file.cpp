#include "soret/store/result_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <concepts>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/replace_file.hpp"

namespace soret::store {
namespace {

namespace fs = std::filesystem;

// ---- HDF5 calls ----

/// A failed call, with its text and HDF5's own reason; read() and write() add the file and the error kind.
struct Hdf5Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The innermost entry of the error stack is the cause; the others only say which calls it came through.
std::string innermost_reason() {
  std::string reason;
  const auto take_first = [](unsigned, const H5E_error2_t* entry, void* text) -> herr_t {
    *static_cast<std::string*>(text) = entry->desc != nullptr ? entry->desc : "";
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &reason);
  return reason.empty() ? "no reason given" : reason;
}

template <std::signed_integral Status>
Status checked(Status status, const char* call) {
  if (status < 0) throw Hdf5Error(fmt::format("{} ({})", innermost_reason(), call));
  return status;
}
#define SORET_H5(call) checked((call), #call)

/// Owns an HDF5 identifier.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle& operator=(Handle&&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  Close close_;
};

/// One caller at a time: the library is not thread-safe as Debian builds it. Failures are reported by
/// exceptions, not by HDF5 on stderr.
std::unique_lock<std::mutex> use_hdf5() {
  static std::mutex one_at_a_time;
  std::unique_lock lock(one_at_a_time);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  return lock;
}

Handle string_type() {
  Handle type(SORET_H5(H5Tcopy(H5T_C_S1)), H5Tclose);
  SORET_H5(H5Tset_size(type, H5T_VARIABLE));
  SORET_H5(H5Tset_cset(type, H5T_CSET_UTF8));
  return type;
}

// ---- netCDF-4 conventions ----

/// netCDF-C marks a dimension that has no coordinate variable by this scale name.
constexpr std::string_view kBareDimension = "This is a netCDF dimension but not a netCDF variable.";

/// Attributes that the dimension-scale library and netCDF keep for themselves.
constexpr std::array<std::string_view, 7> kInternalAttributes = {
    "CLASS",         "NAME",         "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS",
    "_Netcdf4Dimid", "_NCProperties"};

/// Below this a variable is stored plainly: chunking costs more than compression gains.
constexpr std::size_t kCompressFrom = 16 * 1024;  // bytes
/// A megabyte of float64: large enough to compress well, small enough to fit a reader's chunk cache.
constexpr hsize_t kChunkElements = 128 * 1024;
/// Random mantissas hardly compress; shuffled exponents and repeated values do so at any level.
constexpr unsigned kDeflateLevel = 1;

std::size_t length(const Variable& variable) {
  return std::visit([](const auto& data) { return data.size(); }, variable.data);
}

bool is_coordinate(const Variable& variable) {
  return variable.dimensions.size() == 1 && variable.dimensions[0] == variable.name;
}

/// Whole trailing dimensions, so that the data of one scan point lie together.
std::vector<hsize_t> chunk_shape(std::vector<hsize_t> shape) {
  hsize_t elements = std::accumulate(shape.begin(), shape.end(), hsize_t{1}, std::multiplies<>());
  for (hsize_t& extent : shape) {
    if (elements <= kChunkElements) break;
    const hsize_t rest = elements / extent;
    extent = std::max<hsize_t>(1, kChunkElements / rest);
    elements = rest * extent;
  }
  return shape;
}

// ---- Writing ----

void check(const Dataset& dataset) {
  std::set<std::string> names;
  for (const Dimension& dimension : dataset.dimensions) {
    if (!names.insert(dimension.name).second)
      throw std::logic_error(fmt::format("dimension '{}' is defined twice", dimension.name));
  }
  const std::set<std::string> dimensions = names;
  for (const Variable& variable : dataset.variables) {
    if (!names.insert(variable.name).second && !is_coordinate(variable))
      throw std::logic_error(fmt::format("variable '{}' has the name of another one", variable.name));
    std::size_t size = 1;
    for (const std::string& name : variable.dimensions) {
      if (!dimensions.contains(name))
        throw std::logic_error(fmt::format("variable '{}': no dimension '{}'", variable.name, name));
      size *= dataset.size(name);
    }
    if (size != length(variable))
      throw std::logic_error(fmt::format("variable '{}' has {} values, its dimensions {}", variable.name,
                                         length(variable), size));
  }
}

void write_attribute(hid_t object, const std::string& name, const Attribute& value) {
  const Handle space(SORET_H5(H5Screate(H5S_SCALAR)), H5Sclose);
  const auto put = [&](hid_t file_type, hid_t memory_type, const void* data) {
    const Handle attribute(
        SORET_H5(H5Acreate2(object, name.c_str(), file_type, space, H5P_DEFAULT, H5P_DEFAULT)), H5Aclose);
    SORET_H5(H5Awrite(attribute, memory_type, data));
  };
  if (const auto* text = std::get_if<std::string>(&value)) {
    const Handle type = string_type();
    const char* characters = text->c_str();
    put(type, type, &characters);
  } else if (const auto* real = std::get_if<double>(&value)) {
    put(H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, real);
  } else {
    put(H5T_STD_I64LE, H5T_NATIVE_INT64, &std::get<std::int64_t>(value));
  }
}

void write_attributes(hid_t object, const Attributes& attributes) {
  for (const auto& [name, value] : attributes) write_attribute(object, name, value);
}

/// Properties of every dataset: no time stamps (same data, same bytes), attributes in creation order as
/// netCDF-4 wants them.
Handle creation_properties(const std::vector<hsize_t>& shape, std::size_t bytes) {
  Handle properties(SORET_H5(H5Pcreate(H5P_DATASET_CREATE)), H5Pclose);
  SORET_H5(H5Pset_obj_track_times(properties, false));
  SORET_H5(H5Pset_attr_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
  if (bytes >= kCompressFrom) {
    const std::vector<hsize_t> chunk = chunk_shape(shape);
    SORET_H5(H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data()));
    SORET_H5(H5Pset_shuffle(properties));
    SORET_H5(H5Pset_deflate(properties, kDeflateLevel));
  }
  return properties;
}

Handle write_variable(hid_t file, const Variable& variable, const std::vector<hsize_t>& shape) {
  const Handle space(SORET_H5(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr)),
                     H5Sclose);
  const auto put = [&](hid_t file_type, hid_t memory_type, const void* data, std::size_t bytes) {
    const Handle properties = creation_properties(shape, bytes);
    Handle object(SORET_H5(H5Dcreate2(file, variable.name.c_str(), file_type, space, H5P_DEFAULT, properties,
                                      H5P_DEFAULT)),
                  H5Dclose);
    SORET_H5(H5Dwrite(object, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
    write_attributes(object, variable.attributes);
    return object;
  };
  if (const auto* reals = std::get_if<std::vector<double>>(&variable.data))
    return put(H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, reals->data(), reals->size() * sizeof(double));
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&variable.data))
    return put(H5T_STD_I64LE, H5T_NATIVE_INT64, integers->data(), integers->size() * sizeof(std::int64_t));
  if (const auto* singles = std::get_if<std::vector<float>>(&variable.data))
    return put(H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, singles->data(), 0);  // trained weights do not compress

  std::vector<const char*> characters;
  for (const std::string& text : variable.texts()) characters.push_back(text.c_str());
  const Handle type = string_type();
  return put(type, type, characters.data(), 0);
}

/// A dimension without coordinate: a dataset whose values are never written, as netCDF-C does it.
Handle write_bare_dimension(hid_t file, const Dimension& dimension) {
  const std::vector<hsize_t> shape{dimension.size};
  const Handle space(SORET_H5(H5Screate_simple(1, shape.data(), nullptr)), H5Sclose);
  const Handle properties = creation_properties(shape, 0);
  return Handle(SORET_H5(H5Dcreate2(file, dimension.name.c_str(), H5T_IEEE_F32BE, space, H5P_DEFAULT,
                                    properties, H5P_DEFAULT)),
                H5Dclose);
}

void write_all(hid_t file, const Dataset& dataset) {
  write_attributes(file, dataset.attributes);

  std::map<std::string, Handle> scales;
  for (const Dimension& dimension : dataset.dimensions) {
    const Variable* variable = dataset.find(dimension.name);
    Handle scale = variable != nullptr ? write_variable(file, *variable, {dimension.size})
                                       : write_bare_dimension(file, dimension);
    const std::string label =
        variable != nullptr ? dimension.name : fmt::format("{}{:10}", kBareDimension, dimension.size);
    SORET_H5(H5DSset_scale(scale, label.c_str()));
    scales.emplace(dimension.name, std::move(scale));
  }
  for (const Variable& variable : dataset.variables) {
    if (is_coordinate(variable)) continue;
    std::vector<hsize_t> shape;
    for (const std::string& name : variable.dimensions) shape.push_back(dataset.size(name));
    const Handle object = write_variable(file, variable, shape);
    for (unsigned axis = 0; axis < shape.size(); ++axis)
      SORET_H5(H5DSattach_scale(object, scales.at(variable.dimensions[axis]), axis));
  }
}

/// The file's bytes, made in memory: a full disk then meets a plain write(), which can fail and be undone,
/// not HDF5's close, which cannot.
std::vector<std::byte> file_image(const Dataset& dataset) {
  const auto lock = use_hdf5();
  constexpr std::size_t kGrowBy = std::size_t{4} << 20;  // bytes
  const Handle access(SORET_H5(H5Pcreate(H5P_FILE_ACCESS)), H5Pclose);
  SORET_H5(H5Pset_fapl_core(access, kGrowBy, false));
  // Object headers of HDF5 1.8, as netCDF-4 wants them. Not its superblock too: the checksum of that one is
  // wrong in the images that HDF5 1.10 makes.
  SORET_H5(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18));
  const Handle creation(SORET_H5(H5Pcreate(H5P_FILE_CREATE)), H5Pclose);
  SORET_H5(H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
  SORET_H5(H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
  SORET_H5(H5Pset_obj_track_times(creation, false));

  const Handle file(SORET_H5(H5Fcreate("result", H5F_ACC_TRUNC, creation, access)), H5Fclose);
  write_all(file, dataset);
  SORET_H5(H5Fflush(file, H5F_SCOPE_GLOBAL));
  std::vector<std::byte> image(static_cast<std::size_t>(SORET_H5(H5Fget_file_image(file, nullptr, 0))));
  SORET_H5(H5Fget_file_image(file, image.data(), image.size()));
  return image;
}

// ---- Reading ----

std::string name_of(hid_t object) {
  std::string name(static_cast<std::size_t>(SORET_H5(H5Iget_name(object, nullptr, 0))), '\0');
  SORET_H5(H5Iget_name(object, name.data(), name.size() + 1));
  return name.substr(name.rfind('/') + 1);
}

/// Strings of any length from a dataset or attribute; `read` fills memory of the given type.
template <class Read>
std::vector<std::string> read_texts(hid_t file_type, hid_t space, std::size_t count, const Read& read) {
  std::vector<std::string> texts;
  if (SORET_H5(H5Tis_variable_str(file_type)) > 0) {
    const Handle type = string_type();
    std::vector<char*> characters(count, nullptr);
    read(type, characters.data());
    for (const char* text : characters) texts.emplace_back(text != nullptr ? text : "");
    SORET_H5(H5Dvlen_reclaim(type, space, H5P_DEFAULT, characters.data()));
  } else {
    const Handle type(SORET_H5(H5Tcopy(file_type)), H5Tclose);
    const std::size_t width = H5Tget_size(type);
    std::string characters(count * width, '\0');
    read(type, characters.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::string text = characters.substr(i * width, width);
      texts.push_back(text.substr(0, text.find('\0')));
    }
  }
  return texts;
}

std::size_t count_of(hid_t space) {
  return static_cast<std::size_t>(SORET_H5(H5Sget_simple_extent_npoints(space)));
}

/// Every attribute that is one string or one number; others are not ours and are left out.
Attributes read_attributes_of(hid_t object) {
  Attributes attributes;
  H5O_info_t info;
  SORET_H5(H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS));
  for (hsize_t i = 0; i < info.num_attrs; ++i) {
    const Handle attribute(
        SORET_H5(H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT)),
        H5Aclose);
    std::string name(static_cast<std::size_t>(SORET_H5(H5Aget_name(attribute, 0, nullptr))), '\0');
    SORET_H5(H5Aget_name(attribute, name.size() + 1, name.data()));
    if (std::ranges::find(kInternalAttributes, name) != kInternalAttributes.end()) continue;

    const Handle type(SORET_H5(H5Aget_type(attribute)), H5Tclose);
    const Handle space(SORET_H5(H5Aget_space(attribute)), H5Sclose);
    if (count_of(space) != 1) continue;
    const H5T_class_t kind = H5Tget_class(type);
    if (kind == H5T_STRING) {
      attributes[name] = read_texts(type, space, 1, [&](hid_t memory_type, void* data) {
        SORET_H5(H5Aread(attribute, memory_type, data));
      })[0];
    } else if (kind == H5T_FLOAT) {
      double value = 0;
      SORET_H5(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value));
      attributes[name] = value;
    } else if (kind == H5T_INTEGER) {
      std::int64_t value = 0;
      SORET_H5(H5Aread(attribute, H5T_NATIVE_INT64, &value));
      attributes[name] = value;
    }
  }
  return attributes;
}

/// The scale attached to one axis of a variable; "" if there is none.
std::string dimension_name(hid_t object, unsigned axis) {
  std::string name;
  const auto take_first = [](hid_t, unsigned, hid_t scale, void* text) -> herr_t {
    try {
      *static_cast<std::string*>(text) = name_of(scale);
      return 1;
    } catch (const Hdf5Error&) {  // not through HDF5's C frames
      return -1;
    }
  };
  if (SORET_H5(H5DSget_num_scales(object, axis)) > 0)
    SORET_H5(H5DSiterate_scales(object, axis, nullptr, take_first, &name));
  return name;
}

Variable read_variable(hid_t object, const std::string& name, bool is_scale) {
  Variable variable{name, {}, {}, read_attributes_of(object)};
  const Handle space(SORET_H5(H5Dget_space(object)), H5Sclose);
  const int rank = SORET_H5(H5Sget_simple_extent_ndims(space));
  for (int axis = 0; axis < rank; ++axis) {
    variable.dimensions.push_back(is_scale ? name : dimension_name(object, static_cast<unsigned>(axis)));
    if (variable.dimensions.back().empty())
      throw Hdf5Error(fmt::format("'{}' has no name for its dimension {}: not a Soret file", name, axis + 1));
  }

  const std::size_t count = count_of(space);
  const Handle type(SORET_H5(H5Dget_type(object)), H5Tclose);
  const auto read = [&](hid_t memory_type, void* data) {
    SORET_H5(H5Dread(object, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
  };
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      if (H5Tget_size(type) == sizeof(float))
        read(H5T_NATIVE_FLOAT, variable.data.emplace<std::vector<float>>(count).data());
      else
        read(H5T_NATIVE_DOUBLE, variable.data.emplace<std::vector<double>>(count).data());
      break;
    case H5T_INTEGER:
      read(H5T_NATIVE_INT64, variable.data.emplace<std::vector<std::int64_t>>(count).data());
      break;
    case H5T_STRING:
      variable.data = read_texts(type, space, count, read);
      break;
    default:
      throw Hdf5Error(fmt::format("'{}' holds neither numbers nor text: not a Soret file", name));
  }
  return variable;
}

bool is_bare_dimension(hid_t scale) {
  std::array<char, 128> label{};
  SORET_H5(H5DSget_scale_name(scale, label.data(), label.size()));
  return std::string_view(label.data()).starts_with(kBareDimension);
}

/// In the order of writing, where the file keeps it.
std::vector<std::string> object_names(hid_t root) {
  const Handle creation(SORET_H5(H5Gget_create_plist(root)), H5Pclose);
  unsigned order = 0;
  SORET_H5(H5Pget_link_creation_order(creation, &order));
  const H5_index_t index = (order & H5P_CRT_ORDER_INDEXED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  H5G_info_t info;
  SORET_H5(H5Gget_info(root, &info));
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::string name(static_cast<std::size_t>(SORET_H5(
                         H5Lget_name_by_idx(root, ".", index, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT))),
                     '\0');
    SORET_H5(H5Lget_name_by_idx(root, ".", index, H5_ITER_INC, i, name.data(), name.size() + 1, H5P_DEFAULT));
    names.push_back(std::move(name));
  }
  return names;
}

Handle root_of(hid_t file) {
  return Handle(SORET_H5(H5Gopen2(file, "/", H5P_DEFAULT)), H5Gclose);
}

Dataset read_all(hid_t file) {
  Dataset dataset;
  const Handle root = root_of(file);
  dataset.attributes = read_attributes_of(root);
  for (const std::string& name : object_names(root)) {
    const Handle object(SORET_H5(H5Oopen(root, name.c_str(), H5P_DEFAULT)), H5Oclose);
    if (H5Iget_type(object) != H5I_DATASET)
      throw Hdf5Error(fmt::format("'{}' is not a variable: not a Soret file", name));
    const bool is_scale = SORET_H5(H5DSis_scale(object)) > 0;
    if (is_scale) {
      const Handle space(SORET_H5(H5Dget_space(object)), H5Sclose);
      dataset.dimensions.push_back({name, count_of(space)});
      if (is_bare_dimension(object)) continue;
    }
    dataset.variables.push_back(read_variable(object, name, is_scale));
  }
  return dataset;
}

[[noreturn]] void fail_to_read(const fs::path& file, std::string_view why) {
  throw InputError(fmt::format("cannot read {}: {}", file.string(), why));
}

/// `use` gets the opened file.
auto open_and(const fs::path& file, const auto& use) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status))
    fail_to_read(file, std::generic_category().message(error ? error.value() : ENOENT));
  if (fs::is_directory(status)) fail_to_read(file, std::generic_category().message(EISDIR));

  const auto lock = use_hdf5();
  try {
    if (SORET_H5(H5Fis_hdf5(file.c_str())) == 0) fail_to_read(file, "not an HDF5 file");
    const Handle access(SORET_H5(H5Pcreate(H5P_FILE_ACCESS)), H5Pclose);
    // Files are replaced as a whole, so a reader needs no lock; some cluster file systems have none to give.
    SORET_H5(H5Pset_file_locking(access, false, true));
    const Handle opened(SORET_H5(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access)), H5Fclose);
    return use(opened);
  } catch (const Hdf5Error& reason) {
    fail_to_read(file, fmt::format("damaged, or not a Soret file: {}", reason.what()));
  }
}

template <class T>
const T& data_of(const Variable& variable, std::string_view wanted) {
  if (const T* data = std::get_if<T>(&variable.data)) return *data;
  throw InputError(fmt::format("variable '{}' is not of type {}", variable.name, wanted));
}

}  // namespace

const std::vector<double>& Variable::reals() const {
  return data_of<std::vector<double>>(*this, "float64");
}
const std::vector<std::int64_t>& Variable::integers() const {
  return data_of<std::vector<std::int64_t>>(*this, "int64");
}
const std::vector<std::string>& Variable::texts() const {
  return data_of<std::vector<std::string>>(*this, "text");
}
const std::vector<float>& Variable::singles() const {
  return data_of<std::vector<float>>(*this, "float32");
}

const Variable* Dataset::find(const std::string& name) const {
  const auto found = std::ranges::find(variables, name, &Variable::name);
  return found != variables.end() ? std::to_address(found) : nullptr;
}

const Variable& Dataset::at(const std::string& name) const {
  if (const Variable* variable = find(name)) return *variable;
  std::vector<std::string> names;
  for (const Variable& variable : variables) names.push_back(variable.name);
  throw InputError(fmt::format("no variable '{}'{}; the file has: {}", name, did_you_mean(name, names),
                               fmt::join(names, ", ")));
}

std::size_t Dataset::size(const std::string& dimension) const {
  const auto found = std::ranges::find(dimensions, dimension, &Dimension::name);
  if (found == dimensions.end()) throw InputError(fmt::format("no dimension '{}'", dimension));
  return found->size;
}

void write(const Dataset& dataset, const fs::path& file) {
  check(dataset);
  try {
    replace_file(file, file_image(dataset));
  } catch (const Hdf5Error& error) {
    throw RunError(fmt::format("cannot write {}: HDF5: {}", file.string(), error.what()));
  }
}

bool is_hdf5(const fs::path& file) {
  const auto lock = use_hdf5();
  return fs::is_regular_file(file) && H5Fis_hdf5(file.c_str()) > 0;
}

Dataset read(const fs::path& file) {
  return open_and(file, read_all);
}

Attributes read_attributes(const fs::path& file) {
  return open_and(file, [](hid_t opened) { return read_attributes_of(root_of(opened)); });
}

}  // namespace soret::store
