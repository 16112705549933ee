#include "sims/checkpoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "soret/base/digest.hpp"
#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

using network::View;

/// "dense1.weight.out", "dense1.weight.in".
std::vector<std::string> dimension_names(const View& view) {
  static const std::array<std::vector<std::string>, 5> kNames = {
      {{}, {"out"}, {"out", "in"}, {"out", "w", "in"}, {"out", "h", "w", "in"}}};
  std::vector<std::string> names;
  for (const auto& axis : kNames.at(view.what.shape.size())) names.push_back(view.name + "." + axis);
  return names;
}

void put(const std::vector<View>& views, std::span<const float> values, store::Dataset& to) {
  for (const View& view : views) {
    const auto names = dimension_names(view);
    for (std::size_t k = 0; k < names.size(); ++k)
      to.dimensions.push_back({names[k], static_cast<std::size_t>(view.what.shape[k])});
    const auto own = values.subspan(view.offset, view.what.size());
    to.variables.push_back({view.name, names, std::vector<float>(own.begin(), own.end()), {}});
  }
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  return shape.empty() ? "none" : fmt::format("{}", fmt::join(shape, " x "));
}

std::vector<float> take(const std::vector<View>& views, std::size_t count, const store::Dataset& from,
                        const std::filesystem::path& file) {
  std::vector<float> values(count);
  for (const View& view : views) {
    const store::Variable* variable = from.find(view.name);
    std::vector<std::size_t> there;
    if (variable)
      for (const auto& dimension : variable->dimensions) there.push_back(from.size(dimension));
    const std::vector<std::size_t> here(view.what.shape.begin(), view.what.shape.end());
    if (here != there)
      throw InputError(
          fmt::format("{} is the checkpoint of another network: {} is of shape {} there, {} here",
                      file.string(), view.name, shape_text(there), shape_text(here)));
    std::ranges::copy(variable->singles(), values.begin() + static_cast<std::ptrdiff_t>(view.offset));
  }
  return values;
}

template <class T>
const T& attribute(const store::Dataset& from, const std::string& name) {
  const auto found = from.attributes.find(name);
  const T* value = found == from.attributes.end() ? nullptr : std::get_if<T>(&found->second);
  if (!value) throw InputError(fmt::format("the checkpoint lacks the attribute '{}'", name));
  return *value;
}

}  // namespace

void put_weights(const network::Network<float>& network, std::span<const float> parameters,
                 std::span<const float> state, store::Dataset& to) {
  put(network.parameters(), parameters, to);
  put(network.state(), state, to);
}

std::string Weights::digest() const {
  return Digest().add(std::span<const float>(parameters)).add(std::span<const float>(state)).text();
}

Weights weights_of(const network::Network<float>& network, const store::Dataset& from,
                   const std::filesystem::path& file) {
  if (const auto format = integer_attribute(from, "format"); format != kCheckpointFormat)
    throw InputError(fmt::format("{} is a checkpoint of format {}; this version reads format {}",
                                 file.string(), format, kCheckpointFormat));
  const std::size_t parameters = network.parameter_count();
  if (const auto there = integer_attribute(from, "parameters");
      static_cast<std::size_t>(there) != parameters) {
    take(network.parameters(), parameters, from, file);  // names the first layer that differs
    throw InputError(fmt::format("{} is the checkpoint of another network: {} parameters there, {} here",
                                 file.string(), there, parameters));
  }
  return {take(network.parameters(), parameters, from, file),
          take(network.state(), network.state_count(), from, file)};
}

std::string text_attribute(const store::Dataset& from, const std::string& name) {
  return attribute<std::string>(from, name);
}
std::int64_t integer_attribute(const store::Dataset& from, const std::string& name) {
  return attribute<std::int64_t>(from, name);
}
double real_attribute(const store::Dataset& from, const std::string& name) {
  return attribute<double>(from, name);
}

}  // namespace soret::sims
