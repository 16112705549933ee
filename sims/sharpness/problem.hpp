#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "sims/sharpness/options.hpp"
#include "sims/train/problem.hpp"
#include "sims/trained_network.hpp"
#include "soret/measure/curvature.hpp"
#include "soret/measure/sharpness.hpp"

namespace soret::sims {

/// f and x of a scan point.
struct MeasuredFunction {
  std::vector<double> x;
  bool convex = false;
  int chunks = 1;         ///< that are computed side by side at most
  double pass_bytes = 0;  ///< memory of one of them
  double kept_bytes = 0;  ///< that its Hessian keeps between products
  /// Both are new every time, each for one thread at a time, and must not outlive this.
  std::function<measure::Differentiable()> function;
  std::function<measure::SymmetricOperator()> hessian;
};

/// Samples as a network of precision T takes them.
template <class T>
struct Samples {
  std::vector<T> x;                  ///< [sample][input]
  std::vector<T> values;             ///< [sample][output] of a squared loss, else empty
  std::vector<std::int32_t> labels;  ///< [sample]
};

/// Makes the functions of scan points, which share whatever they agree on: data, trained networks, functions.
class MeasuredFunctions {
 public:
  /// Throws ConfigError (a formula that does not parse, a point of another size, layers that cannot be
  /// rescaled), InputError (no data, no checkpoint, or one of another network).
  std::shared_ptr<const MeasuredFunction> operator()(const SharpnessPoint& point, const Settings& settings);

  /// Of the functions made so far.
  Sources sources() const {
    Sources all = checkpoints_.sources();
    all.insert(starts_.begin(), starts_.end());
    return all;
  }

 private:
  struct Trained {
    Model model;
    std::shared_ptr<const TrainingSet> set;
    Weights weights;
  };
  Trained trained_here(const Settings& settings);
  MeasuredFunction make(const SharpnessPoint& point, const Settings& settings);
  template <class T>
  MeasuredFunction of_network(const FunctionOptions& options, const Trained& trained);
  template <class T>
  std::shared_ptr<const Samples<T>> samples(const Trained& trained, int wanted, int outputs);

  TrainProblems problems_;
  TrainedNetworks checkpoints_;
  std::map<std::string, Trained> trained_;
  Sources starts_;  ///< of trained_
  std::map<std::string, std::shared_ptr<const MeasuredFunction>> functions_;
  /// By training set, how many and what the loss compares with.
  using SamplesKey = std::tuple<const TrainingSet*, int, network::HeadKind>;
  std::tuple<std::map<SamplesKey, std::shared_ptr<const Samples<float>>>,
             std::map<SamplesKey, std::shared_ptr<const Samples<double>>>>
      samples_;
};

}  // namespace soret::sims
