#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// How a gradient moves the parameters: an update rule, at the learning rate that a schedule (schedule.hpp)
/// gives.
namespace soret::training {

/// g is the gradient (plus weight_decay w unless decoupled), eta the learning rate, t = 1, 2, ... the update:
///   sgd       w -= eta g
///   momentum  m = momentum m + g,  w -= eta m                          (heavy ball, Polyak 1964)
///   nesterov  m = momentum m + g,  w -= eta (g + momentum m)
///   rmsprop   s = decay s + (1 - decay) g^2,  w -= eta g / (sqrt(s) + epsilon)
///   adam      m = beta1 m + (1 - beta1) g,  s = beta2 s + (1 - beta2) g^2,
///             w -= eta m/(1 - beta1^t) / (sqrt(s/(1 - beta2^t)) + epsilon)
/// The learning rate stands outside m, so that changing it needs no momentum correction (Goyal et al. 2017,
/// remark 2).
enum class OptimizerKind { sgd, momentum, nesterov, rmsprop, adam };
inline constexpr std::string_view kOptimizers[] = {"sgd", "momentum", "nesterov", "rmsprop", "adam"};

struct Optimizer {
  OptimizerKind kind = OptimizerKind::sgd;
  double momentum = 0.9;
  double decay = 0.99;  ///< of rmsprop
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  /// w -= eta weight_decay w beside the rule, not through g (Loshchilov and Hutter 2019: AdamW).
  bool decoupled = false;
};

/// Vectors of the size of the parameters that a rule remembers, all zero at first: m, s, or m and s.
int memories(OptimizerKind kind);

/// What a rule remembers.
template <class T>
struct OptimizerState {
  std::int64_t updates = 0;  ///< so far
  std::vector<T> memory;     ///< [memories][parameter]
};

template <class T>
OptimizerState<T> initial_state(const Optimizer& optimizer, std::size_t parameters);

/// One update of the parameters by the gradient.
template <class T>
void update(const Optimizer& optimizer, double learning_rate, std::span<const T> gradient,
            OptimizerState<T>& state, std::span<T> parameters);

}  // namespace soret::training
