#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

/// Mini-batch gradient noise of regressions as seed 003 §5 writes it: every per-sample gradient is formed,
/// every batch is listed, one loop per index. It shares nothing with the library.
namespace soret::oracle {

using Vec = std::vector<double>;

/// Gradient of one sample's loss in w[c * M + j], x of M inputs. kind 0: 1/2 (w x - y)^2; 1: logistic, y = 0
/// or 1; 2: softmax over `outputs` classes, y the class.
inline Vec sample_gradient(int kind, int outputs, const Vec& w, const Vec& x, double y) {
  const std::size_t m = x.size();
  Vec f(static_cast<std::size_t>(outputs), 0.0);
  for (std::size_t c = 0; c < f.size(); ++c)
    for (std::size_t j = 0; j < m; ++j) f[c] += w[c * m + j] * x[j];
  Vec gradient(w.size());
  double normaliser = 0;
  for (const double value : f) normaliser += std::exp(value);
  for (std::size_t c = 0; c < f.size(); ++c) {
    double r = 0;
    if (kind == 0) r = f[c] - y;
    if (kind == 1) r = 1 / (1 + std::exp(-f[c])) - y;
    if (kind == 2) r = std::exp(f[c]) / normaliser - (static_cast<double>(c) == y ? 1 : 0);
    for (std::size_t j = 0; j < m; ++j) gradient[c * m + j] = r * x[j];
  }
  return gradient;
}

/// Every ordered batch of `size` samples out of n, repeats allowed or not: all are equally likely.
inline void list_batches(std::size_t n, std::size_t size, bool repeats, std::vector<std::size_t>& batch,
                         const std::function<void(const std::vector<std::size_t>&)>& visit) {
  if (batch.size() == size) return visit(batch);
  for (std::size_t i = 0; i < n; ++i) {
    bool used = false;
    for (const std::size_t j : batch) used = used || j == i;
    if (used && !repeats) continue;
    batch.push_back(i);
    list_batches(n, size, repeats, batch, visit);
    batch.pop_back();
  }
}

struct EnumeratedNoise {
  double batches = 0;
  Vec mean;                 ///< E psi
  std::vector<Vec> moment;  ///< E psi psi^T
};

/// psi = (N/B) sum over the batch - sum over all (Eqs. 6-11), over all batches.
inline EnumeratedNoise enumerate_noise(const std::vector<Vec>& gradients, std::size_t size, bool repeats) {
  const std::size_t n = gradients.size();
  const std::size_t p = gradients[0].size();
  EnumeratedNoise noise{0, Vec(p, 0.0), std::vector<Vec>(p, Vec(p, 0.0))};
  std::vector<std::size_t> batch;
  list_batches(n, size, repeats, batch, [&](const std::vector<std::size_t>& members) {
    Vec psi(p, 0.0);
    for (const std::size_t i : members)
      for (std::size_t a = 0; a < p; ++a)
        psi[a] += static_cast<double>(n) / static_cast<double>(size) * gradients[i][a];
    for (const Vec& g : gradients)
      for (std::size_t a = 0; a < p; ++a) psi[a] -= g[a];
    ++noise.batches;
    for (std::size_t a = 0; a < p; ++a) {
      noise.mean[a] += psi[a];
      for (std::size_t b = 0; b < p; ++b) noise.moment[a][b] += psi[a] * psi[b];
    }
  });
  for (std::size_t a = 0; a < p; ++a) {
    noise.mean[a] /= noise.batches;
    for (std::size_t b = 0; b < p; ++b) noise.moment[a][b] /= noise.batches;
  }
  return noise;
}

/// Covariance of the gradients with divisor n - less.
inline std::vector<Vec> gradient_covariance(const std::vector<Vec>& gradients, double less) {
  const std::size_t p = gradients[0].size();
  const auto n = static_cast<double>(gradients.size());
  Vec mean(p, 0.0);
  for (const Vec& g : gradients)
    for (std::size_t a = 0; a < p; ++a) mean[a] += g[a] / n;
  std::vector<Vec> f(p, Vec(p, 0.0));
  for (const Vec& g : gradients)
    for (std::size_t a = 0; a < p; ++a)
      for (std::size_t b = 0; b < p; ++b) f[a][b] += (g[a] - mean[a]) * (g[b] - mean[b]) / (n - less);
  return f;
}

}  // namespace soret::oracle
