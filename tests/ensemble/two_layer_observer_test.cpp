#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/ensemble/replay.hpp"
#include "tests/oracles/statistics.hpp"

/// Every observable against the oracle's loops, and the closed forms against sampling.
namespace soret::two_layer {
namespace {

using oracle::kFiveSigma;

std::vector<Observable> all_observables() {
  std::vector<Observable> all;
  for (int o = 0; o < kObservables; ++o) all.push_back(static_cast<Observable>(o));
  return all;
}

std::vector<double> measure(const Problem& p, const Parameters& parameters,
                            const std::vector<Observable>& observables) {
  std::vector<double> values(observables.size(), -1);
  Observer(p, observables).measure(parameters, values);
  return values;
}

double measure(const Problem& p, const Parameters& parameters, Observable observable) {
  return measure(p, parameters, std::vector<Observable>{observable})[0];
}

/// Parameters with biases of both signs, whatever the initialisation says.
Parameters lively_parameters(const Problem& p) {
  Problem q = p;
  q.initialisation = Initialisation::framework_uniform;
  Parameters parameters = initial_parameters(q, 1);
  for (float& v : parameters.v) v *= 2;
  return parameters;
}

double squares(const std::vector<float>& x) {
  double total = 0;
  for (const double value : x) total += value * value;
  return total;
}

/// What the observer must say, from the oracle's averages over the probe set.
double expected(Observable o, const Problem& p, const Parameters& parameters, const oracle::Averages& mean) {
  switch (o) {
    case Observable::activation_rate:
      return mean.activation_rate;
    case Observable::v_norm:
      return std::sqrt(squares(parameters.v));
    case Observable::w_norm:
      return std::sqrt(squares(parameters.w));
    case Observable::bias_mean: {
      double total = 0;
      for (const double b : parameters.b) total += b;
      return total / p.hidden;
    }
    case Observable::gradient_variance:
      return mean.gradient_variance;
    case Observable::h_v:
      return mean.h_v;
    case Observable::h_w:
      return mean.h_w;
    case Observable::h_b:
      return mean.h_b;
    case Observable::loss:
      return mean.loss;
    case Observable::accuracy:
      return mean.accuracy;
    case Observable::output_variance:
      return mean.output_variance;
  }
  return 0;
}

/// The closed forms stand in for the probe set here; TwoLayerObserverStatistics checks those.
bool exact_for_gaussian_inputs(Observable o, const Problem& p) {
  const bool moment = o == Observable::h_v || o == Observable::h_w || o == Observable::h_b;
  return o == Observable::activation_rate || (moment && p.activation == Activation::relu);
}

class TwoLayerObserver : public ::testing::TestWithParam<std::tuple<Activation, Loss>> {};

TEST_P(TwoLayerObserver, AgreesWithTheOracleOnTheProbeSet) {
  const auto [activation, loss] = GetParam();
  for (const NetworkShape& shape : kShapes) {
    for (const Inputs kind : {Inputs::gaussian, Inputs::uniform, Inputs::ball, Inputs::dataset}) {
      for (const bool bias : {true, false}) {
        Problem p = make_problem(shape, activation, loss);
        p.bias = bias;
        p.input_kind = kind == Inputs::dataset ? Inputs::gaussian : kind;
        const int size = shape.hidden == 100 ? 5 : 23;
        p.probe = std::make_shared<SampleSet>(synthetic_set(p, size, true));
        p.input_kind = kind;
        const Parameters parameters = lively_parameters(p);
        const oracle::Averages truth =
            oracle::averages(p, oracle::in_double(parameters), oracle::in_double(*p.probe));
        const std::vector<double> got = measure(p, parameters, all_observables());
        for (const Observable o : all_observables()) {
          const double want = expected(o, p, parameters, truth);
          const double value = got[static_cast<std::size_t>(o)];
          if (kind == Inputs::gaussian && exact_for_gaussian_inputs(o, p)) continue;
          if (o == Observable::accuracy && loss == Loss::squared) {
            EXPECT_TRUE(std::isnan(value));
            continue;
          }
          // Double against double; the variances lose digits to the mean that they subtract.
          EXPECT_NEAR(value, want, 1e-11 * (1 + std::abs(want)))
              << name(o) << " " << describe(p, Driver::lanes);
        }
      }
    }
  }
}

TEST_P(TwoLayerObserver, GradientVarianceOfPointLikeDataIsZero) {
  const auto [activation, loss] = GetParam();
  Problem p = make_problem({7, 19, 4}, activation, loss);
  SampleSet set = synthetic_set(p, 6, true);
  for (int s = 1; s < 6; ++s) {
    std::copy_n(set.inputs.begin(), p.inputs, set.inputs.begin() + s * p.inputs);
    std::copy_n(set.targets.begin(), p.outputs, set.targets.begin() + s * p.outputs);
  }
  p.probe = std::make_shared<SampleSet>(set);
  const Parameters parameters = lively_parameters(p);
  EXPECT_NEAR(measure(p, parameters, Observable::gradient_variance), 0, 1e-15);
  EXPECT_NEAR(measure(p, parameters, Observable::output_variance), 0, 1e-15);
}

INSTANTIATE_TEST_SUITE_P(AllFormulas, TwoLayerObserver,
                         ::testing::Combine(::testing::ValuesIn(kActivations), ::testing::ValuesIn(kLosses)));

TEST(TwoLayerObserverNames, AreDistinctAndInOrder) {
  std::set<std::string_view> names;
  for (const Observable o : all_observables()) names.insert(name(o));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kObservables));
  EXPECT_EQ(name(Observable::activation_rate), "activation_rate");
  EXPECT_EQ(name(Observable::gradient_variance), "gradient_variance");
  EXPECT_EQ(name(Observable::output_variance), "output_variance");
}

TEST(TwoLayerObserverExact, NeedsNoProbeSet) {
  const Problem p = make_problem({10, 10, 1}, Activation::relu, Loss::logistic);
  const Parameters parameters = initial_parameters(p, 0);
  for (const Observable o : {Observable::activation_rate, Observable::v_norm, Observable::w_norm,
                             Observable::bias_mean, Observable::h_v, Observable::h_w, Observable::h_b})
    EXPECT_TRUE(std::isfinite(measure(p, parameters, o))) << name(o);
}

// Units by hand: ||W|| = 5 with b = 5, 0 and -10 has rates Phi(1), Phi(0) and Phi(-2).
TEST(TwoLayerObserverExact, ActivationRateIsPhiOfBiasOverNorm) {
  Problem p = make_problem({2, 3, 1}, Activation::relu, Loss::logistic);
  const Parameters parameters{{3, 4, -5, 0, 4, -3}, {5, 0, -10}, {1, 1, 1}};
  const double truth = (0.8413447460685429 + 0.5 + 0.022750131948179195) / 3;
  EXPECT_NEAR(measure(p, parameters, Observable::activation_rate), truth, 1e-15);
  // h_b weighs the same rates with V^2.
  const Parameters weighted{{3, 4, -5, 0, 4, -3}, {5, 0, -10}, {1, -2, 3}};
  EXPECT_NEAR(measure(p, weighted, Observable::h_b),
              (0.8413447460685429 + 4 * 0.5 + 9 * 0.022750131948179195) / 3, 1e-14);
  p.activation = Activation::leaky_relu;
  EXPECT_NEAR(measure(p, parameters, Observable::activation_rate), 0.125 + 0.875 * truth, 1e-15);
}

/// Per-sample averages over units of the quantities with closed forms, by plain loops over a large sample.
TEST(TwoLayerObserverStatistics, ClosedFormsAreTheMeansOverGaussianInputs) {
  constexpr int kSamples = 60000;
  for (const Activation activation : kActivations) {
    Problem p = make_problem({3, 5, 2}, activation, Loss::squared);
    const Parameters parameters = lively_parameters(p);
    const oracle::Network net = oracle::in_double(parameters);
    const SampleSet set = synthetic_set(p, kSamples, true);
    std::vector<double> rate, h_v, h_w, h_b;
    for (int s = 0; s < kSamples; ++s) {
      const std::vector<double> x(&set.inputs[s * 3], &set.inputs[s * 3] + 3);
      const double x_square = x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
      const std::vector<double> u = oracle::pre_activations(p, net, x.data());
      rate.push_back(0), h_v.push_back(0), h_w.push_back(0), h_b.push_back(0);
      for (int i = 0; i < 5; ++i) {
        const double slope = oracle::activation_slope(p, u[i]);
        const double v_square = (net.v[i] * net.v[i] + net.v[5 + i] * net.v[5 + i]) / 2;
        rate.back() += slope / 5;
        h_v.back() += std::pow(oracle::activation(p, u[i]), 2) / 5;
        h_b.back() += v_square * slope * slope / 5;
        h_w.back() += v_square * slope * slope * x_square / 3 / 5;
      }
    }
    EXPECT_LT(oracle::mean_deviation(rate, measure(p, parameters, Observable::activation_rate)), kFiveSigma);
    if (activation == Activation::relu) {
      EXPECT_LT(oracle::mean_deviation(h_v, measure(p, parameters, Observable::h_v)), kFiveSigma);
      EXPECT_LT(oracle::mean_deviation(h_w, measure(p, parameters, Observable::h_w)), kFiveSigma);
      EXPECT_LT(oracle::mean_deviation(h_b, measure(p, parameters, Observable::h_b)), kFiveSigma);
    }
  }
}

// Seed 002 Eq. 18: the variance of a batch's gradient is that of one sample's over |B|. Batches of the
// fixed set are averaged by the oracle; the observer gives the per-sample variance.
TEST(TwoLayerObserverStatistics, GradientVarianceOfABatchFallsAsOneOverItsSize) {
  Problem p = make_problem({3, 5, 1}, Activation::relu, Loss::logistic);
  constexpr int kSamples = 40000;
  constexpr int kBatch = 8;
  p.probe = std::make_shared<SampleSet>(synthetic_set(p, kSamples, true));
  const Parameters parameters = lively_parameters(p);
  const oracle::Network net = oracle::in_double(parameters);
  const oracle::Samples set = oracle::in_double(*p.probe);
  std::vector<std::vector<double>> batches;
  for (int s = 0; s < kSamples; s += kBatch) {
    oracle::Network mean = oracle::zeros(p);
    for (int r = s; r < s + kBatch; ++r)
      oracle::add(mean, 1.0 / kBatch, oracle::gradient(p, net, &set.inputs[3 * r], &set.targets[r]));
    batches.push_back(oracle::flat(p, mean));
  }
  const double per_sample = measure(p, parameters, Observable::gradient_variance);
  const double per_batch = oracle::mean_variance(batches);
  // A variance over n batches has relative error sqrt(2/n) at most for near-normal batch means; the mean
  // over correlated parameters can only be nearer.
  const double relative_error = std::sqrt(2.0 / (kSamples / kBatch));
  EXPECT_NEAR(per_batch * kBatch / per_sample, 1, kFiveSigma * relative_error);
}

}  // namespace
}  // namespace soret::two_layer
