#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

/// The HDF5 result file (DESIGN section 4): named dimensions with coordinates, variables with units, root
/// attributes; netCDF-4 conventions, so that xarray (engine="h5netcdf"), h5py, MATLAB, Julia and h5dump read
/// it.
namespace soret::store {

using Attribute = std::variant<std::string, double, std::int64_t>;
using Attributes = std::map<std::string, Attribute>;

/// A dimension; with a coordinate variable of the same name where one makes sense.
struct Dimension {
  std::string name;
  std::size_t size = 0;
};

/// Row-major data over named dimensions.
struct Variable {
  std::string name;
  std::vector<std::string> dimensions;  ///< names; empty for a scalar
  std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>, std::vector<float>>
      data;
  Attributes attributes;  ///< units, long_name, reference, ...

  const std::vector<double>& reals() const;           ///< throws InputError if not float64
  const std::vector<std::int64_t>& integers() const;  ///< throws InputError if not int64
  const std::vector<std::string>& texts() const;      ///< throws InputError if not text
  const std::vector<float>& singles() const;          ///< throws InputError if not float32
};

/// A whole file in memory. A variable whose name and only dimension coincide is that dimension's coordinate.
struct Dataset {
  std::vector<Dimension> dimensions;
  std::vector<Variable> variables;
  Attributes attributes;

  const Variable* find(const std::string& name) const;  ///< nullptr if absent
  const Variable& at(const std::string& name) const;  ///< throws InputError listing the nearest and all names
  std::size_t size(const std::string& dimension) const;  ///< throws InputError
};

/// These may be called from several threads at once.

/// Writes beside the target, fsyncs, renames: a reader never sees a half-written file. Deterministic: the
/// same dataset gives the same bytes. Throws RunError (disk full, not permitted: says so and leaves the old
/// file).
void write(const Dataset& dataset, const std::filesystem::path& file);

/// Reads all of a file. Throws InputError: absent, a directory, not HDF5, truncated, not a Soret result file.
Dataset read(const std::filesystem::path& file);

/// The root attributes alone, whatever the size of the file. Throws as read() does.
Attributes read_attributes(const std::filesystem::path& file);

/// Whether a file has the signature of HDF5; false if it cannot be read.
bool is_hdf5(const std::filesystem::path& file);

}  // namespace soret::store
