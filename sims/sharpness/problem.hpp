#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
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
  /// Both are new every time, each for one thread at a time.
  std::function<measure::Differentiable()> function;
  std::function<measure::SymmetricOperator()> hessian;
};

/// Makes the functions of scan points; those with the same data, and the same trained network, share them.
class MeasuredFunctions {
 public:
  /// Throws ConfigError (a formula that does not parse, a point of another size, layers that cannot be
  /// rescaled, too few samples), InputError (no data, no checkpoint, or one of another network).
  MeasuredFunction operator()(const SharpnessPoint& point, const Settings& settings);

 private:
  struct Trained {
    Model model;
    std::shared_ptr<const TrainingSet> set;
    Weights weights;
  };
  Trained trained_here(const Settings& settings);

  TrainProblems problems_;
  TrainedNetworks checkpoints_;
  std::map<std::string, Trained> trained_;
};

}  // namespace soret::sims
