#pragma once

#include <cstdint>
#include <span>

/// Scalars of a network's outputs z[sample][class].
namespace soret::network {

enum class HeadKind {
  softmax,   ///< cross entropy of softmax(z) with a label
  logistic,  ///< one output: log(1 + e^-z) for label 1, log(1 + e^z) for label 0
  squared,   ///< 1/2 |z - target|^2
  linear,    ///< z . u
};

/// What a head compares with; the one that its kind needs.
template <class T>
struct Targets {
  const std::int32_t* labels = nullptr;  ///< [n]
  const T* values = nullptr;             ///< [n][classes] targets or u; [classes] if `shared`
  bool shared = false;                   ///< the same values for every sample
};

/// Throws ConfigError, naming the sample and its label, unless the head can do with all labels where a
/// network has `classes` outputs.
void check_labels(HeadKind head, int classes, std::span<const std::int32_t> labels);

/// weight * sum over samples of the scalar, and dz = its derivative (nullptr: not wanted). The mean has
/// weight 1/n. Labels must be in range: see check_labels().
template <class T>
double evaluate(HeadKind head, int n, int classes, const T* z, const Targets<T>& targets, double weight,
                T* dz);

/// dz' = the derivative of dz along z'.
template <class T>
void evaluate_tangent(HeadKind head, int n, int classes, const T* z, const Targets<T>& targets, double weight,
                      const T* zt, T* dzt);

/// Samples whose largest output is that of their label (the first of equal ones); logistic: whose output has
/// the sign of their label.
template <class T>
int correct(HeadKind head, int n, int classes, const T* z, const std::int32_t* labels);

}  // namespace soret::network
