#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// What a network is made of. A layer defines four maps, from which gradients and exact Hessian-vector
/// products of any network follow without a recorded graph (Pearlmutter, Neural Computation 6 (1994) 147):
///
///   forward           x, w           -> y
///   backward          dy             -> dx, dw          of a scalar s, d. = ds/d.
///   forward_tangent   x', w'         -> y'              derivatives along a direction, .' = d./dt
///   backward_tangent  dy, dy'        -> dx', dw'        the derivatives of backward's results along it
///
/// Activations are channels-last: [sample][h][w][c], a vector has h = w = 1.
namespace soret::network {

/// Of one sample's activations.
struct Shape {
  int h = 1, w = 1, c = 1;
  std::size_t size() const { return static_cast<std::size_t>(h) * w * c; }
  bool operator==(const Shape&) const = default;
};
/// "32 x 32 x 3", or "100" for a vector.
std::string text(const Shape& shape);

/// A named part of a layer's parameters.
struct Parameter {
  enum class Kind { weight, bias, scale, shift };
  std::string name;        ///< "weight"
  std::vector<int> shape;  ///< weights are [out][in] or [out][h][w][in]
  Kind kind = Kind::weight;
  int fan_in = 1, fan_out = 1;  ///< of weights and biases: inputs and outputs that one unit is connected to
  bool dense = false;           ///< of a dense layer

  std::size_t size() const;
};

/// What differs between training and evaluation.
struct Mode {
  bool batch_statistics = true;  ///< batch normalisation by the batch, not by running statistics
  bool dropout = true;
  std::uint64_t seed = 0;          ///< of the dropout masks
  std::uint64_t first_sample = 0;  ///< number of the pass's first sample among all that the run ever sees
};

/// The values of one layer for n samples.
template <class T>
struct Values {
  int n;
  const T* parameters;
  const T* x;  ///< [n][input]
  T* y;        ///< [n][output]
  T* kept;     ///< [kept(n)], what forward leaves for the other maps
};
/// Their derivatives along the direction. x is nullptr where the input does not move: then nobody asks for
/// the gradient of x, either. A layer without parameters is not called then.
template <class T>
struct Tangents {
  const T* parameters;
  const T* x;
  T* y;
  T* kept;  ///< [kept(n)], what forward_tangent leaves for backward_tangent
};
/// Derivatives of the scalar, or of these along the direction.
template <class T>
struct Gradients {
  const T* y;     ///< [n][output]
  T* x;           ///< [n][input]; nullptr: nobody asks a layer with parameters (gives_again()) for it
  bool add;       ///< x is added to, not written
  T* parameters;  ///< added to; nullptr: nobody asks
};

template <class T>
class Layer {
 public:
  virtual ~Layer() = default;

  virtual const Shape& input() const = 0;
  virtual const Shape& output() const = 0;
  virtual std::vector<Parameter> parameters() const { return {}; }
  /// Running statistics and the like: read by forward, changed by update() alone.
  virtual std::vector<Parameter> state() const { return {}; }
  /// Whether each map takes every unit by itself and, after forward, reads y where others read x: then y may
  /// lie where x lay, and so may the derivatives of both.
  virtual bool in_place() const { return false; }
  /// Whether backward_tangent gives backward's dx once more, so that nobody need keep it.
  virtual bool gives_again() const { return false; }
  /// Whether redo() and redo_tangent() give y once more, at a small part of the cost of a product, so that
  /// nobody need keep it.
  virtual bool redoes() const { return false; }
  virtual void redo(const Values<T>& /*v*/) const {}
  virtual void redo_tangent(const Values<T>& /*v*/, const Tangents<T>& /*t*/) const {}
  /// Numbers that forward and forward_tangent keep for n samples each.
  virtual std::size_t kept(int /*n*/) const { return 0; }

  virtual void forward(const Values<T>& v, const Mode& mode, const T* state) const = 0;
  virtual void backward(const Values<T>& v, const Gradients<T>& g) const = 0;
  virtual void forward_tangent(const Values<T>& v, const Tangents<T>& t) const = 0;
  virtual void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                const Gradients<T>& gt) const = 0;
  /// squares[i] = |dw of sample i alone|^2 for dy[n][output]. Every layer with parameters has it; throws
  /// ConfigError where samples act on each other (batch statistics).
  virtual void sample_squares(const Values<T>& v, const T* dy, double* squares) const;
  /// Moves the state by what forward kept.
  virtual void update(const Values<T>& /*v*/, T* /*state*/) const {}
  /// Adds to sums[state] what update() would move the state towards, once for every sample: the statistics of
  /// each group times its samples. Nothing without batch statistics.
  virtual void add_statistics(const Values<T>& /*v*/, double* /*sums*/) const {}
};

}  // namespace soret::network
