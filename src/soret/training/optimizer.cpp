#include "soret/training/optimizer.hpp"

#include <cmath>

#include "soret/network/parallel.hpp"

namespace soret::training {
namespace {

/// Takes every parameter down by rule(i, g).
template <class T, class Rule>
void step(const Optimizer& o, double learning_rate, std::span<const T> gradient, std::span<T> parameters,
          Rule rule) {
  const T coupled = static_cast<T>(o.decoupled ? 0 : o.weight_decay);
  const T shrink = static_cast<T>(o.decoupled ? learning_rate * o.weight_decay : 0);
  const T* const g = gradient.data();
  T* const w = parameters.data();
  network::each_run(parameters.size(), 2, [=](std::size_t first, std::size_t last) {
#pragma GCC ivdep
    for (std::size_t i = first; i < last; ++i) w[i] -= rule(i, g[i] + coupled * w[i]) + shrink * w[i];
  });
}

}  // namespace

int memories(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::sgd:
      return 0;
    case OptimizerKind::momentum:
    case OptimizerKind::nesterov:
    case OptimizerKind::rmsprop:
      return 1;
    case OptimizerKind::adam:
      return 2;
  }
  return 0;
}

template <class T>
OptimizerState<T> initial_state(const Optimizer& optimizer, std::size_t parameters) {
  return {0, std::vector<T>(static_cast<std::size_t>(memories(optimizer.kind)) * parameters, T{})};
}

template <class T>
void update(const Optimizer& o, double learning_rate, std::span<const T> gradient, OptimizerState<T>& state,
            std::span<T> parameters) {
  ++state.updates;
  const T eta = static_cast<T>(learning_rate);
  T* const m = state.memory.data();
  switch (o.kind) {
    case OptimizerKind::sgd:
      return step(o, learning_rate, gradient, parameters, [=](std::size_t, T g) { return eta * g; });
    case OptimizerKind::momentum: {
      const T mu = static_cast<T>(o.momentum);
      return step(o, learning_rate, gradient, parameters,
                  [=](std::size_t i, T g) { return eta * (m[i] = mu * m[i] + g); });
    }
    case OptimizerKind::nesterov: {
      const T mu = static_cast<T>(o.momentum);
      return step(o, learning_rate, gradient, parameters, [=](std::size_t i, T g) {
        m[i] = mu * m[i] + g;
        return eta * (g + mu * m[i]);
      });
    }
    case OptimizerKind::rmsprop: {
      const T keep = static_cast<T>(o.decay);
      const T take = static_cast<T>(1 - o.decay);  // not 1 - keep: that has the rounding of keep
      const T epsilon = static_cast<T>(o.epsilon);
      return step(o, learning_rate, gradient, parameters, [=](std::size_t i, T g) {
        m[i] = keep * m[i] + take * g * g;
        return eta * g / (std::sqrt(m[i]) + epsilon);
      });
    }
    case OptimizerKind::adam: {
      const T keep1 = static_cast<T>(o.beta1);
      const T keep2 = static_cast<T>(o.beta2);
      const T take1 = static_cast<T>(1 - o.beta1);
      const T take2 = static_cast<T>(1 - o.beta2);
      const T epsilon = static_cast<T>(o.epsilon);
      const auto t = static_cast<double>(state.updates);
      const T first = static_cast<T>(learning_rate / (1 - std::pow(o.beta1, t)));
      const T second = static_cast<T>(1 / (1 - std::pow(o.beta2, t)));
      T* const s = m + parameters.size();
      return step(o, learning_rate, gradient, parameters, [=](std::size_t i, T g) {
        m[i] = keep1 * m[i] + take1 * g;
        s[i] = keep2 * s[i] + take2 * g * g;
        return first * m[i] / (std::sqrt(s[i] * second) + epsilon);
      });
    }
  }
}

#define SORET_INSTANTIATE(T)                                                  \
  template OptimizerState<T> initial_state<T>(const Optimizer&, std::size_t); \
  template void update<T>(const Optimizer&, double, std::span<const T>, OptimizerState<T>&, std::span<T>);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::training
