#pragma once

#include <memory>
#include <string>

#include "soret/base/error.hpp"
#include "soret/network/activation.hpp"
#include "soret/network/batch_norm.hpp"
#include "soret/network/convolution.hpp"
#include "soret/network/dense.hpp"
#include "soret/network/dropout.hpp"
#include "soret/network/network.hpp"
#include "soret/network/pooling.hpp"

namespace soret::network {

/// Writes a network down layer by layer. Each call appends to the node `at`, which it moves on; errors name
/// the layer.
template <class T>
class Builder {
 public:
  explicit Builder(const Shape& input) : network_(input) {}

  Builder& dense(const std::string& name, int outputs, bool bias = true) {
    return append<Dense<T>>(name, outputs, bias);
  }
  Builder& convolution(const std::string& name, int channels, int kernel, int stride, int pad, bool bias) {
    return append<Convolution<T>>(name, channels, kernel, stride, pad, bias);
  }
  Builder& batch_norm(const std::string& name, int group) { return append<BatchNorm<T>>(name, group); }
  Builder& activation(const std::string& name, ActivationKind kind) {
    return append<Activation<T>>(name, kind);
  }
  Builder& pooling(const std::string& name, PoolingKind kind, int window, int stride, int pad = 0) {
    return append<Pooling<T>>(name, kind, window, stride, pad);
  }
  Builder& adaptive_pooling(const std::string& name, PoolingKind kind, int h, int w) {
    return place(name, [&] {
      return std::make_unique<Pooling<T>>(Pooling<T>::adaptive(network_.shape(at), kind, h, w));
    });
  }
  Builder& global_pooling(const std::string& name, PoolingKind kind) {
    return adaptive_pooling(name, kind, 1, 1);
  }
  Builder& dropout(const std::string& name, double rate) {
    return append<Dropout<T>>(name, rate, dropouts_++);
  }
  /// Adds node `other`.
  Builder& sum(const std::string& name, int other) {
    at = network_.add_sum(name, at, other);
    return *this;
  }
  const Shape& shape() const { return network_.shape(at); }
  Network<T> finished() && { return std::move(network_); }

  int at = 0;  ///< the node that the next layer reads

 private:
  template <class L, class... Args>
  Builder& append(const std::string& name, const Args&... args) {
    return place(name, [&] { return std::make_unique<L>(network_.shape(at), args...); });
  }
  template <class Make>
  Builder& place(const std::string& name, const Make& make) {
    try {
      at = network_.add(name, make(), at);
    } catch (const ConfigError& error) {
      throw ConfigError(name + ": " + error.what());
    }
    return *this;
  }

  Network<T> network_;
  std::uint32_t dropouts_ = 0;
};

}  // namespace soret::network
