#pragma once

#include "soret/network/layer.hpp"

namespace soret::network {

/// y = W x + b on the flattened input; W is [out][in].
template <class T>
class Dense final : public Layer<T> {
 public:
  /// Throws ConfigError unless outputs > 0.
  Dense(const Shape& input, int outputs, bool bias);

  const Shape& input() const override { return input_; }
  const Shape& output() const override { return output_; }
  std::vector<Parameter> parameters() const override;
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;
  void sample_squares(const Values<T>& v, const T* dy, double* squares) const override;

 private:
  std::size_t weights() const { return static_cast<std::size_t>(inputs_) * output_.c; }

  Shape input_, output_;
  int inputs_;
  bool bias_;
};

}  // namespace soret::network
