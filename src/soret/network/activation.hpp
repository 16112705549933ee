#pragma once

#include "soret/network/layer.hpp"

namespace soret::network {

enum class ActivationKind { relu, tanh, sigmoid, softplus, gelu };

/// y = f(x), unit by unit. relu has f'(0) = 0; gelu is x Phi(x).
template <class T>
class Activation final : public Layer<T> {
 public:
  Activation(const Shape& input, ActivationKind kind) : shape_(input), kind_(kind) {}

  const Shape& input() const override { return shape_; }
  const Shape& output() const override { return shape_; }
  ActivationKind kind() const { return kind_; }
  bool in_place() const override { return kind_ == ActivationKind::relu; }
  bool redoes() const override { return in_place(); }
  void redo(const Values<T>& v) const override { forward(v, {}, nullptr); }
  void redo_tangent(const Values<T>& v, const Tangents<T>& t) const override { forward_tangent(v, t); }
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;

 private:
  Shape shape_;
  ActivationKind kind_;
};

}  // namespace soret::network
