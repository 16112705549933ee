#pragma once

#include "soret/network/layer.hpp"

namespace soret::network {

/// In training every unit is 0 with probability `rate`, else it is divided by 1 - rate (Srivastava et al.
/// 2014, scaled in training); in evaluation y = x. Whether unit u of sample i is dropped is a function of
/// (Mode::seed, layer, Mode::first_sample + i, u) alone: word u % 4 of block (first_sample + i) ceil(size /
/// 4) + u / 4 of the stream (seed, dropout, layer), below rate 2^32.
template <class T>
class Dropout final : public Layer<T> {
 public:
  /// `layer` tells the dropout layers of a network apart. Throws ConfigError unless 0 <= rate < 1.
  Dropout(const Shape& input, double rate, std::uint32_t layer);

  const Shape& input() const override { return shape_; }
  const Shape& output() const override { return shape_; }
  std::size_t kept(int n) const override { return n * shape_.size(); }
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;

 private:
  Shape shape_;
  double rate_;
  std::uint32_t layer_;
};

}  // namespace soret::network
