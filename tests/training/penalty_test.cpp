#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/builder.hpp"
#include "soret/network/model_labels.hpp"
#include "soret/network/models.hpp"
#include "soret/training/batch_gradient.hpp"
#include "tests/network/derivatives.hpp"

namespace soret::training {
namespace {

using network::HeadKind;
using network::testing::dot;
using network::testing::norm;
using network::testing::normals;
using network::testing::shifted;
using network::testing::Situation;
using network::testing::situation;
using Vector = std::vector<double>;

constexpr PenaltyKind kKinds[] = {PenaltyKind::gradient_norm, PenaltyKind::fisher_trace,
                                  PenaltyKind::average_jacobian, PenaltyKind::unit_jacobian};

network::Network<double> dense() {
  network::Builder<double> b({3, 2, 1});
  b.dense("dense1", 7).activation("tanh", network::ActivationKind::tanh).dropout("dropout", 0.4);
  b.dense("dense2", 4);
  return std::move(b).finished();
}
/// With batch statistics and a kink-free activation.
network::Network<double> normalised(int group) {
  network::Builder<double> b({5, 5, 2});
  b.convolution("conv1", 3, 3, 2, 1, false).batch_norm("norm1", group);
  b.activation("softplus1", network::ActivationKind::softplus);
  b.dense("dense1", 6, false).batch_norm("norm2", group).activation("tanh", network::ActivationKind::tanh);
  b.dense("dense2", 3);
  return std::move(b).finished();
}

PenaltyTerm term_of(PenaltyKind kind, double strength = 0.7) {
  return {.penalty = {.kind = kind}, .strength = strength, .seed = 5, .first_micro_batch = 11};
}

struct Outcome {
  BatchGradient<double>::Result result;
  Vector gradient, state;
};
Outcome take(const Situation<double>& s, int chunk, int micro_batch, const PenaltyTerm& term,
             const Vector& at) {
  BatchGradient<double> batch(s.network, s.head, chunk, micro_batch);
  Outcome out{.result = {}, .gradient = Vector(at.size(), 99.0), .state = s.state};
  out.result = batch({s.n, s.x.data(), s.targets(), at, out.state, s.mode}, out.gradient, term);
  return out;
}
double objective(const Situation<double>& s, int chunk, int micro_batch, const PenaltyTerm& term,
                 const Vector& at) {
  const auto result = take(s, chunk, micro_batch, term, at).result;
  return result.loss + term.strength * result.penalty;
}
/// The gradient is that of the objective, by fourth-order central differences along random directions.
/// Labels that are drawn stay what they are: nothing is differentiated through the draw.
void expect_gradient(const Situation<double>& s, int chunk, int micro_batch, const PenaltyTerm& term) {
  const auto& w = s.parameters;
  const auto g = take(s, chunk, micro_batch, term, w).gradient;
  for (const unsigned seed : {3U, 4U}) {
    auto u = normals(w.size(), seed);
    const double length = norm(u);
    for (double& x : u) x /= length;
    constexpr double h = 1e-3;
    const auto f = [&](double step) { return objective(s, chunk, micro_batch, term, shifted(w, step, u)); };
    const double numeric = (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h);
    EXPECT_NEAR(dot(g, u), numeric, 1e-7 * norm(g)) << kPenalties[static_cast<int>(term.penalty.kind)]
                                                    << ", chunk " << chunk << ", micro-batch " << micro_batch;
  }
}
void expect_near(const Vector& a, const Vector& b, double relative) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], relative * (1 + norm(b))) << i;
}

TEST(Penalty, GradientIsThatOfTheObjective) {
  const auto net = dense();
  for (const HeadKind head : {HeadKind::softmax, HeadKind::squared}) {
    const auto s = situation(net, 11, head);  // micro-batches of 4, 4 and 3
    for (const PenaltyKind kind : kKinds) {
      // Drawn values, other than labels, move with the outputs: see FreezesWhatItDraws.
      if (head == HeadKind::softmax || kind != PenaltyKind::fisher_trace)
        expect_gradient(s, 4, 4, term_of(kind));
    }
  }
  network::Builder<double> b({1, 1, 5});
  b.dense("dense1", 6).activation("tanh", network::ActivationKind::tanh).dense("dense2", 1);
  const auto margin = std::move(b).finished();
  const auto two = situation(margin, 9, HeadKind::logistic);
  for (const PenaltyKind kind : kKinds) expect_gradient(two, 3, 3, term_of(kind));
}

// The derivative goes through the batch statistics: of groups within a micro-batch, of the micro-batch, and
// of groups that hold several.
TEST(Penalty, GradientGoesThroughBatchStatistics) {
  for (const int group : {0, 3, 6}) {
    const auto net = normalised(group);
    const auto s = situation(net, 12, HeadKind::softmax);
    for (const PenaltyKind kind : kKinds) {
      if (group <= 3) expect_gradient(s, 6, 6, term_of(kind));
      if (group == 3) expect_gradient(s, 3, 6, term_of(kind));
      expect_gradient(s, 6, 3, term_of(kind));
      expect_gradient(s, 12, 4, term_of(kind));
    }
  }
}

// No gradient goes through the draw: FT is GN with the drawn labels in the place of the true ones.
TEST(Penalty, FreezesWhatItDraws) {
  const auto net = dense();
  for (const HeadKind head : {HeadKind::softmax, HeadKind::squared}) {
    const auto s = situation(net, 11, head);
    auto drawn = s;
    const auto z = s.output(s.parameters);
    network::draw_labels(head, 11, 4, z.data(), 5, 0, s.mode.first_sample, drawn.labels.data(),
                         drawn.values.data());
    const auto plain = take(s, 4, 4, {}, s.parameters);
    const auto plain_drawn = take(drawn, 4, 4, {}, s.parameters);
    const auto penalised_drawn = take(drawn, 4, 4, term_of(PenaltyKind::gradient_norm), s.parameters);
    const auto found = take(s, 4, 4, term_of(PenaltyKind::fisher_trace), s.parameters);
    EXPECT_EQ(found.result.loss, plain.result.loss);
    EXPECT_NEAR(found.result.penalty, penalised_drawn.result.penalty, 1e-13 * found.result.penalty);
    Vector expected = plain.gradient;
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += penalised_drawn.gradient[i] - plain_drawn.gradient[i];
    expect_near(found.gradient, expected, 1e-13);
  }
}

// The penalty itself, from gradients of the micro-batches alone.
TEST(Penalty, IsTheMeanSquareOfMicroBatchGradients) {
  const auto net = normalised(0);
  const auto whole = situation(net, 11, HeadKind::softmax);
  const auto classes = net.output().size();
  for (const PenaltyKind kind : {PenaltyKind::gradient_norm, PenaltyKind::average_jacobian}) {
    double expected = 0;
    double printed = 0;
    double loss = 0;
    for (const int first : {0, 4, 8}) {
      auto part = whole;
      part.n = std::min(4, 11 - first);
      part.x.erase(part.x.begin(), part.x.begin() + static_cast<std::ptrdiff_t>(first * net.input().size()));
      part.labels.erase(part.labels.begin(), part.labels.begin() + first);
      loss += part.loss(part.parameters) * part.n / 11;
      if (kind == PenaltyKind::average_jacobian) {
        part.head = HeadKind::linear;
        part.values.assign(11 * classes, 1.0 / static_cast<double>(classes));
      }
      const auto g = part.gradient(part.parameters);
      expected += dot(g, g) * part.n / 11;
    }
    const auto found = take(whole, 4, 4, term_of(kind), whole.parameters).result;
    EXPECT_NEAR(found.penalty, expected, 1e-12 * expected);
    EXPECT_NEAR(found.loss, loss, 1e-13);
    auto released = term_of(kind);
    released.penalty.sum_of_classes = true;
    printed = take(whole, 4, 4, released, whole.parameters).result.penalty;
    if (kind == PenaltyKind::average_jacobian) {
      EXPECT_NEAR(printed, 9 * expected, 1e-11 * expected);
    }
  }
}

// A micro-batch in one pass, in several, and several in a pass: the same, dropped units and draws, too.
TEST(Penalty, DoesNotDependOnTheChunks) {
  const auto net = dense();
  const auto s = situation(net, 14, HeadKind::softmax);
  for (const PenaltyKind kind : kKinds) {
    for (const bool difference : {false, true}) {
      for (const int only : {-1, 2}) {
        auto term = term_of(kind);
        term.penalty.finite_difference = difference;
        term.only = only;
        const auto one = take(s, 4, 4, term, s.parameters);  // 4, 4, 4, 2
        for (const int chunk : {1, 2, 8, 12}) {
          const auto other = take(s, chunk, 4, term, s.parameters);
          EXPECT_NEAR(other.result.loss, one.result.loss, 1e-13);
          EXPECT_NEAR(other.result.penalty, one.result.penalty, 1e-13 * one.result.penalty);
          // A difference over h divides rounding by it.
          expect_near(other.gradient, one.gradient, difference ? 1e-10 : 1e-13);
        }
      }
    }
  }
}

// Running statistics move by the passes of the plain gradient, however often these are computed.
TEST(Penalty, LeavesTheRunningStatisticsOfThePlainGradient) {
  const auto net = normalised(3);
  const auto s = situation(net, 12, HeadKind::softmax);
  const auto plain = take(s, 3, 6, {}, s.parameters);
  EXPECT_NE(plain.state, s.state);
  for (const PenaltyKind kind : kKinds) {
    for (const bool difference : {false, true}) {
      auto term = term_of(kind);
      term.penalty.finite_difference = difference;
      for (const int chunk : {3, 6, 12}) {
        for (const int only : {-1, 1}) {
          term.only = only;
          expect_near(take(s, chunk, 6, term, s.parameters).state, plain.state, 1e-14);
        }
      }
    }
  }
}

TEST(Penalty, OfOneMicroBatchHasItsFullStrength) {
  const auto net = dense();
  const auto s = situation(net, 10, HeadKind::softmax);
  const auto plain = take(s, 5, 5, {}, s.parameters);
  for (const PenaltyKind kind : kKinds) {
    auto term = term_of(kind);
    const auto both = take(s, 5, 5, term, s.parameters);
    Vector sum(plain.gradient.size(), 0.0);
    double penalty = 0;
    for (const int only : {0, 1}) {
      term.only = only;
      const auto one = take(s, 5, 5, term, s.parameters);
      EXPECT_NEAR(one.result.loss, plain.result.loss, 1e-14);
      penalty += one.result.penalty / 2;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += (one.gradient[i] - plain.gradient[i]) / 2;
    }
    EXPECT_NEAR(penalty, both.result.penalty, 1e-13 * penalty);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += plain.gradient[i];
    expect_near(sum, both.gradient, 1e-13);
  }
}

// The error of the difference is of the first order in its step.
TEST(Penalty, FiniteDifferencesConverge) {
  const auto net = normalised(0);
  const auto s = situation(net, 8, HeadKind::softmax);
  for (const PenaltyKind kind : kKinds) {
    auto term = term_of(kind);
    const auto exact = take(s, 4, 4, term, s.parameters).gradient;
    const auto error = [&](double step) {
      term.penalty.finite_difference = true;
      term.penalty.difference_step = step;
      return norm(shifted(take(s, 4, 4, term, s.parameters).gradient, -1, exact)) / norm(exact);
    };
    const double fine = error(1e-6);
    EXPECT_LT(fine, 1e-3);
    EXPECT_NEAR(fine / error(1e-5), 0.1, 0.02);
  }
}

/// Of penalties over the seeds of their draws.
struct Sample {
  double mean = 0, error = 0;
};
Sample over_seeds(const Situation<double>& s, PenaltyKind kind, int seeds) {
  double sum = 0;
  double squares = 0;
  auto term = term_of(kind, 1e-9);
  for (int k = 0; k < seeds; ++k) {
    term.seed = static_cast<std::uint64_t>(100 + k);
    const double p = take(s, s.n, s.n, term, s.parameters).result.penalty;
    sum += p;
    squares += p * p;
  }
  const double mean = sum / seeds;
  return {mean, std::sqrt((squares / seeds - mean * mean) / (seeds - 1))};
}

// E |grad Lhat_M|^2 = Tr(F_M)/|M| (SEEDS N-E3), the trace from all labels of all samples; n = 4000 draws.
TEST(Penalty, FisherTraceHasTheExpectationOfTheFisherMatrix) {
  network::Builder<double> b({1, 1, 3});
  b.dense("dense1", 5).activation("tanh", network::ActivationKind::tanh).dense("dense2", 3);
  const auto net = std::move(b).finished();
  auto s = situation(net, 5, HeadKind::softmax);
  const auto z = s.output(s.parameters);
  double trace = 0;
  for (int i = 0; i < s.n; ++i) {
    auto one = s;
    one.n = 1;
    one.x.assign(s.x.begin() + 3 * i, s.x.begin() + 3 * i + 3);
    double total = 0;
    for (int k = 0; k < 3; ++k) total += std::exp(z[static_cast<std::size_t>(3 * i + k)]);
    for (int k = 0; k < 3; ++k) {
      one.labels = {k};
      const auto g = one.gradient(one.parameters);
      trace += std::exp(z[static_cast<std::size_t>(3 * i + k)]) / total * dot(g, g) / s.n;
    }
  }
  const auto found = over_seeds(s, PenaltyKind::fisher_trace, 4000);
  EXPECT_NEAR(found.mean, trace / s.n, 5 * found.error);
  EXPECT_LT(found.error, 0.02 * found.mean);
}

// E |J_unit|^2 = |mean J|_F^2 / C (corrects seed 000 Eq. 6); n = 4000 draws.
TEST(Penalty, UnitJacobianHasTheExpectationOfTheMeanJacobian) {
  network::Builder<double> b({1, 1, 3});
  b.dense("dense1", 5).activation("tanh", network::ActivationKind::tanh).dense("dense2", 4);
  const auto net = std::move(b).finished();
  const auto s = situation(net, 5, HeadKind::softmax);
  double square = 0;
  for (int k = 0; k < 4; ++k) {
    auto one = s;
    one.head = HeadKind::linear;
    one.values.assign(20, 0.0);
    for (int i = 0; i < 5; ++i) one.values[static_cast<std::size_t>(4 * i + k)] = 1;
    const auto g = one.gradient(one.parameters);
    square += dot(g, g);
  }
  const auto found = over_seeds(s, PenaltyKind::unit_jacobian, 4000);
  EXPECT_NEAR(found.mean, square / 4, 5 * found.error);
  EXPECT_LT(found.error, 0.02 * found.mean);
}

TEST(Penalty, DrawsPerMicroBatchAndSample) {
  const auto net = dense();
  const auto s = situation(net, 8, HeadKind::softmax);
  for (const PenaltyKind kind : {PenaltyKind::fisher_trace, PenaltyKind::unit_jacobian}) {
    auto term = term_of(kind);
    const double first = take(s, 4, 4, term, s.parameters).result.penalty;
    auto later = s;
    if (kind == PenaltyKind::unit_jacobian)
      ++term.first_micro_batch;
    else
      ++later.mode.first_sample;
    EXPECT_NE(take(later, 4, 4, term, s.parameters).result.penalty, first);
  }
}

TEST(BatchGradient, GivesTheGradientOfOneMicroBatch) {
  const auto net = dense();
  const auto s = situation(net, 11, HeadKind::softmax);
  const auto plain = take(s, 4, 4, {}, s.parameters);
  for (const int chunk : {1, 2, 4, 8, 12}) {
    Vector sum(plain.gradient.size(), 0.0);
    for (const int which : {0, 1, 2}) {
      BatchGradient<double> batch(net, s.head, chunk, 4);
      Vector g(sum.size());
      Vector micro(sum.size(), 99.0);
      const auto result =
          batch.with_micro_batch({s.n, s.x.data(), s.targets(), s.parameters, {}, s.mode}, g, which, micro);
      EXPECT_NEAR(result.loss, plain.result.loss, 1e-14);
      expect_near(g, plain.gradient, 1e-14);
      const double share = (which == 2 ? 3.0 : 4.0) / 11;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += share * micro[i];
    }
    expect_near(sum, plain.gradient, 1e-13);
  }
}

// The bits do not depend on the threads: fewer slabs than threads, more, and micro-batches of several passes.
TEST(Penalty, DoesNotDependOnTheThreads) {
  const auto net = network::c1<float>({17, 17, 2}, 5, 0);
  std::vector<float> x(32 * net.input().size());
  std::vector<float> w(net.parameter_count());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) / 97 - 0.5F;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 89) / 890 - 0.05F;
  std::vector<std::int32_t> labels(32);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);
  const network::Targets<float> targets{labels.data(), nullptr, false};
  const int before = omp_get_max_threads();
  for (const auto& [chunk, micro] :
       {std::pair(4, 4), std::pair(16, 16), std::pair(8, 16), std::pair(16, 8)}) {
    for (const bool difference : {false, true}) {
      const auto run = [&](int threads) {
        omp_set_num_threads(threads);
        BatchGradient<float> batch(net, HeadKind::softmax, chunk, micro);
        std::vector<float> state = net.initial_state();
        std::vector<float> g(w.size());
        auto term = term_of(PenaltyKind::fisher_trace);
        term.penalty.finite_difference = difference;
        const auto result = batch({32, x.data(), targets, w, state, {.seed = 3}}, g, term);
        g.insert(g.end(), state.begin(), state.end());
        return std::tuple(result.loss, result.penalty, g);
      };
      const auto one = run(1);
      for (const int threads : {2, 3}) EXPECT_EQ(one, run(threads)) << chunk << ", " << threads << " threads";
    }
  }
  omp_set_num_threads(before);
}

TEST(BatchGradient, RefusesChunksThatCutMicroBatches) {
  const auto net = dense();
  const auto message = [&](int chunk, int micro_batch) -> std::string {
    try {
      const BatchGradient<double> batch(net, HeadKind::softmax, chunk, micro_batch);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_NE(message(10, 4).find("take chunks of 8 or 12"), std::string::npos) << message(10, 4);
  EXPECT_NE(message(5, 12).find("take chunks of 4 or 6"), std::string::npos) << message(5, 12);
  EXPECT_NE(message(3, 8).find("take chunks of 2 or 4"), std::string::npos) << message(3, 8);
  EXPECT_EQ(message(4, 12), "none");
}

}  // namespace
}  // namespace soret::training
