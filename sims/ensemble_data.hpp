#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "soret/ensemble/two_layer.hpp"
#include "soret/scan/config.hpp"

/// What the configs of network ensembles have in common: the words of the choices, the [data] section, and
/// the sets of samples it names.
namespace soret::sims {

/// A word of the config and the value it stands for.
template <class T>
struct Word {
  const char* word;
  T value;
};

inline constexpr std::array<Word<two_layer::Activation>, 4> kActivations = {
    {{"relu", two_layer::Activation::relu},
     {"leaky_relu", two_layer::Activation::leaky_relu},
     {"tanh", two_layer::Activation::tanh},
     {"gelu", two_layer::Activation::gelu}}};
inline constexpr std::array<Word<two_layer::Loss>, 3> kLosses = {{{"logistic", two_layer::Loss::logistic},
                                                                  {"softmax", two_layer::Loss::softmax},
                                                                  {"squared", two_layer::Loss::squared}}};
inline constexpr std::array<Word<two_layer::Initialisation>, 4> kInitialisations = {
    {{"framework_uniform", two_layer::Initialisation::framework_uniform},
     {"he", two_layer::Initialisation::he},
     {"lecun", two_layer::Initialisation::lecun},
     {"normal", two_layer::Initialisation::normal}}};

template <class T, std::size_t N>
std::vector<std::string> words(const std::array<Word<T>, N>& table) {
  std::vector<std::string> out;
  for (const auto& entry : table) out.emplace_back(entry.word);
  return out;
}

/// The value of a word that the config reader has already checked against words(table).
template <class T, std::size_t N>
T value_of(const std::array<Word<T>, N>& table, const std::string& word) {
  return std::ranges::find(table, word, &Word<T>::word)->value;
}

/// The keys of [data].
std::vector<Option> ensemble_data_options();

/// The sets that a scan point draws its samples from.
struct DataChoice {
  std::string kind;  ///< gaussian, uniform, ball or a dataset
  std::string path;
  std::string scaling;
  std::int64_t training_samples = 0;  ///< 0: all of a dataset, fresh samples otherwise
  std::int64_t probe_samples = 0;
};

/// Reads [data] and record.probe_samples, and puts what they say into the problem. Throws ConfigError where
/// keys contradict each other, or the loss and the number of outputs.
DataChoice read_data_choice(const Settings& settings, two_layer::Problem& problem);

/// The training and probe sets, made once for all points that agree on what they hold.
class SampleSets {
 public:
  struct Sets {
    std::shared_ptr<const two_layer::SampleSet> training{};
    std::shared_ptr<const two_layer::SampleSet> probe{};
    int channels = 1, height = 1, width = 1;  ///< of an image: inputs[channel][row][column]
  };

  /// Throws ConfigError where numbers do not fit the dataset, InputError where it cannot be read.
  const Sets& of(const DataChoice& choice, const two_layer::Problem& problem);

 private:
  std::map<std::string, Sets> sets_;
};

}  // namespace soret::sims
