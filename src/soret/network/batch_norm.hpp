#pragma once

#include "soret/network/channels.hpp"
#include "soret/network/layer.hpp"

namespace soret::network {

/// y = gamma (x - mu) / sqrt(sigma^2 + epsilon) + beta per channel (Ioffe and Szegedy 2015). mu and sigma^2
/// are those of `group` consecutive samples and all places (the last group may be smaller, but not one
/// value), or in evaluation the running ones. Tangents go through the statistics. State: running_mean and
/// running_variance (the unbiased one), moved by `momentum` of the way for every group, in order.
template <class T>
class BatchNorm final : public Layer<T> {
 public:
  /// group = 0: all samples of the pass together. Throws ConfigError for a negative one.
  BatchNorm(const Shape& input, int group, double momentum = 0.1, double epsilon = 1e-5);

  const Shape& input() const override { return shape_; }
  const Shape& output() const override { return shape_; }
  std::vector<Parameter> parameters() const override;
  std::vector<Parameter> state() const override;
  std::size_t kept(int n) const override;
  /// Throws ConfigError for a group of one value.
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;
  bool gives_again() const override { return true; }
  bool redoes() const override { return true; }
  void redo(const Values<T>& v) const override;
  void redo_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void sample_squares(const Values<T>& v, const T* dy, double* squares) const override;
  void update(const Values<T>& v, T* state) const override;
  void add_statistics(const Values<T>& v, double* sums) const override;

 private:
  int groups(int n) const;
  /// First row (sample and place) of a group.
  std::size_t first_row(int group_index, int n) const;
  Rows rows_of(int group_index, int n) const;

  Shape shape_;
  int group_;
  double momentum_, epsilon_;
};

}  // namespace soret::network
