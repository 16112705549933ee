#pragma once

#include "soret/network/layer.hpp"

namespace soret::network {

enum class PoolingKind { max, average };

/// The largest value or the mean of each window, channel by channel. Windows that reach over the edge by
/// padding see what lies inside; a mean divides by that. Of equal largest values the first one counts.
template <class T>
class Pooling final : public Layer<T> {
 public:
  /// Throws ConfigError if the window is larger than the padded input, or if padding alone could fill a
  /// window.
  Pooling(const Shape& input, PoolingKind kind, int window, int stride, int pad = 0);
  /// h x w windows that share out the image, whatever its size: in each direction window i of n reaches from
  /// floor(i size / n) to ceil((i + 1) size / n), so they overlap where n does not divide the size, and
  /// repeat values where the image is smaller. Throws ConfigError unless h and w are at least 1.
  static Pooling adaptive(const Shape& input, PoolingKind kind, int h, int w);
  /// One window of the whole image.
  static Pooling global(const Shape& input, PoolingKind kind) { return adaptive(input, kind, 1, 1); }

  const Shape& input() const override { return in_; }
  const Shape& output() const override { return out_; }
  /// max: where each value came from.
  std::size_t kept(int n) const override { return kind_ == PoolingKind::max ? n * out_.size() : 0; }
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;

 private:
  Pooling(const Shape& input, PoolingKind kind, const Shape& output);
  struct Window {
    int top, bottom, left, right;
  };
  Window window(int i, int j) const;
  /// Calls f(sample, window, place of its first output).
  template <class F>
  void each_window(int n, F f) const;
  /// Calls f(place of its first channel in the image).
  template <class F>
  void each_pixel(const Window& w, F f) const;
  /// The linear map that forward amounts to at its choice of places, and its transpose.
  void gather(int n, const T* kept, const T* x, T* y) const;
  void scatter(int n, const T* kept, const T* dy, T* dx, bool add) const;

  Shape in_, out_;
  PoolingKind kind_;
  int window_ = 0, stride_ = 0, pad_ = 0;  ///< window 0: adaptive
};

}  // namespace soret::network
