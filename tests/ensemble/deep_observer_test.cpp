#include <gtest/gtest.h>

#include "tests/ensemble/deep_replay.hpp"

/// The observables against the oracle, which forms every per-sample gradient.
namespace soret::deep {
namespace {

std::vector<double> measure(const Problem& p, const std::vector<float>& parameters) {
  const auto all = all_observables(p);
  std::size_t size = 0;
  for (const Observable o : all) size += cells(p, o);
  std::vector<double> out(size, std::nan(""));
  Observer(p, all).measure(parameters, out);
  return out;
}

/// `training` where the problem has a training set.
void expect_averages(const Problem& p, const std::vector<double>& got, const oracle::DeepAverages& expected,
                     double norm, double tolerance, const oracle::DeepAverages& training = {}) {
  std::size_t k = 0;
  const auto near = [&](double value, const char* what) {
    EXPECT_NEAR(got[k], value, tolerance * std::max(1e-3, std::abs(value))) << describe(p) << " " << what;
    ++k;
  };
  near(expected.gradient_variance, "gradient_variance");
  for (const double layer : expected.gradient_variance_layer) near(layer, "gradient_variance_layer");
  near(expected.activation_rate, "activation_rate");
  near(norm, "parameter_norm");
  near(expected.gradient_norm, "gradient_norm");
  near(expected.loss, "loss");
  if (p.loss != Loss::squared) near(expected.accuracy, "accuracy");
  near(expected.output_variance, "output_variance");
  if (p.training) {
    const double parameters = static_cast<double>(oracle::flat(oracle::deep_zeros(p)).size());
    near(training.loss, "training_loss");
    if (p.loss != Loss::squared) near(training.accuracy, "training_accuracy");
    near(parameters * training.gradient_variance, "training_gradient_trace");
    near(training.gradient_norm * training.gradient_norm, "training_gradient_square");
  }
  EXPECT_EQ(k, got.size());
}

double norm_of(const std::vector<float>& parameters) {
  double square = 0;
  for (const double x : parameters) square += x * x;
  return std::sqrt(square);
}

TEST(DeepObserver, MeasuresWhatTheOracleDoes) {
  for (const DeepShape& shape : {DeepShape{1, 1, 2, 1}, DeepShape{3, 5, 4, 3}, DeepShape{17, 33, 6, 5}}) {
    for (const Activation activation : kDeepActivations) {
      for (const Loss loss : kDeepLosses) {
        Problem p = deep_problem(shape, activation, loss);
        p.initialisation = Initialisation::he;
        const SampleSet probe = synthetic_set(sample_problem(p), 13, true);
        p.probe = std::make_shared<SampleSet>(probe);
        const SampleSet training = synthetic_set(sample_problem(p), 29, false);
        p.training = std::make_shared<SampleSet>(training);
        const auto parameters = initial_parameters(p, 2);
        const auto net = oracle::in_double(p, parameters);
        const auto expected = oracle::deep_averages(p, net, oracle::in_double(probe));
        const auto of_training = oracle::deep_averages(p, net, oracle::in_double(training));
        expect_averages(p, measure(p, parameters), expected, norm_of(parameters), 1e-10, of_training);
        // In float: sums of up to 33 products and as many samples, each rounded once.
        p.observe_in_float = true;
        expect_averages(p, measure(p, parameters), expected, norm_of(parameters), 2e-5, of_training);
      }
    }
  }
}

// Sets of more than one chunk, the last of them not full: the averages are those of the parts.
TEST(DeepObserver, ASetOfSeveralChunksIsItsParts) {
  constexpr int kParts = 3, kPart = 223;
  Problem p = deep_problem({5, 7, 3, 3}, Activation::tanh, Loss::softmax);
  const SampleSet whole = synthetic_set(sample_problem(p), kParts * kPart, false);
  const auto parameters = initial_parameters(p, 1);
  const std::vector<Observable> observables{Observable::loss, Observable::accuracy,
                                            Observable::activation_rate};
  const auto measured = [&](const SampleSet& set) {
    p.probe = std::make_shared<SampleSet>(set);
    std::vector<double> out(observables.size());
    Observer(p, observables).measure(parameters, out);
    return out;
  };
  std::vector<double> mean(observables.size());
  for (int part = 0; part < kParts; ++part) {
    SampleSet set;
    set.size = kPart;
    const auto cut = [&](const std::vector<float>& from, int each) {
      const auto first = from.begin() + static_cast<std::ptrdiff_t>(part) * kPart * each;
      return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(kPart) * each);
    };
    set.inputs = cut(whole.inputs, p.inputs());
    set.targets = cut(whole.targets, p.outputs);
    const auto one = measured(set);
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += one[k] / kParts;
  }
  const auto all = measured(whole);
  for (std::size_t k = 0; k < mean.size(); ++k) EXPECT_NEAR(all[k], mean[k], 1e-13) << k;
}

// One sample twice: tr Sigma = 0, and the squared gradient is that sample's. Two samples: with g = (a + b)/2,
// tr Sigma = |a - b|^2 / 2, so that tr Sigma / 2 + |g|^2 = (|a|^2 + |b|^2) / 2.
TEST(DeepObserver, TwoSamplesByHand) {
  Problem p = deep_problem({6, 4, 3, 3}, Activation::gelu, Loss::softmax);
  const SampleSet pair = synthetic_set(sample_problem(p), 2, false);
  const auto parameters = initial_parameters(p, 0);
  const std::vector<Observable> observables{Observable::training_gradient_trace,
                                            Observable::training_gradient_square};
  const auto measured = [&](int first, int second) {
    SampleSet set = pair;
    for (const auto& [to, from] : {std::pair{0, first}, std::pair{1, second}}) {
      std::copy_n(&pair.inputs[static_cast<std::size_t>(from) * 6], 6, &set.inputs[to * std::size_t{6}]);
      std::copy_n(&pair.targets[static_cast<std::size_t>(from) * 3], 3, &set.targets[to * std::size_t{3}]);
    }
    p.training = std::make_shared<SampleSet>(set);
    std::vector<double> out(2);
    Observer(p, observables).measure(parameters, out);
    return out;
  };
  const auto a = measured(0, 0), b = measured(1, 1), both = measured(0, 1);
  EXPECT_NEAR(a[0], 0, 1e-15);
  EXPECT_NEAR(b[0], 0, 1e-15);
  EXPECT_GT(both[0], 0.1);
  EXPECT_NEAR(both[0] / 2 + both[1], (a[1] + b[1]) / 2, 1e-13);
}

TEST(DeepObserver, MeasuresConvolutionsAsTheOracleDoes) {
  for (const int pad : {0, 2}) {
    for (const Loss loss : kDeepLosses) {
      Problem p = small_convolutional(Activation::tanh, loss, pad);
      const SampleSet probe = synthetic_set(sample_problem(p), 9, true);
      p.probe = std::make_shared<SampleSet>(probe);
      const auto parameters = initial_parameters(p, 2);
      const std::vector<double> net(parameters.begin(), parameters.end());
      const oracle::Samples set = oracle::in_double(probe);
      oracle::DeepAverages expected;
      std::vector<std::vector<double>> gradients, outputs;
      std::vector<std::vector<std::vector<double>>> by_layer(p.layers);
      double units = 0;
      for (int s = 0; s < set.size; ++s) {
        const double* x = &set.inputs[static_cast<std::size_t>(s) * p.inputs()];
        const double* t = &set.targets[static_cast<std::size_t>(s) * p.outputs];
        const auto pass = oracle::convolutional_forward(p, net, x);
        for (const auto& layer : pass.u) {
          for (const double u : layer.x)
            expected.activation_rate += oracle::activation_slope(oracle::head_of(p), u);
          units += static_cast<double>(layer.x.size());
        }
        expected.loss += oracle::loss(oracle::head_of(p), pass.f, t) / set.size;
        expected.accuracy += oracle::classified_right(oracle::head_of(p), pass.f, t) ? 1.0 / set.size : 0.0;
        gradients.push_back(oracle::convolutional_gradient(p, net, x, t));
        for (int l = 0; l < p.layers; ++l) {
          const auto from = gradients.back().begin();
          const auto end = l + 1 < p.layers ? pass.offset[l + 1] : net.size();
          by_layer[l].emplace_back(from + static_cast<std::ptrdiff_t>(pass.offset[l]),
                                   from + static_cast<std::ptrdiff_t>(end));
        }
        outputs.push_back(pass.f);
      }
      expected.activation_rate /= units;
      expected.gradient_variance = oracle::mean_variance(gradients);
      for (const auto& layer : by_layer)
        expected.gradient_variance_layer.push_back(oracle::mean_variance(layer));
      for (std::size_t k = 0; k < net.size(); ++k) {
        double g = 0;
        for (const auto& sample : gradients) g += sample[k] / set.size;
        expected.gradient_norm += g * g;
      }
      expected.gradient_norm = std::sqrt(expected.gradient_norm);
      expected.output_variance = oracle::mean_variance(outputs);
      // Float gradients: sums over up to 99 positions, relative to gradients of order 1.
      expect_averages(p, measure(p, parameters), expected, norm_of(parameters), 2e-5);
    }
  }
}

// Every sample the same: no variance, whatever the gradient.
TEST(DeepObserver, EqualSamplesHaveNoVariance) {
  Problem p = deep_problem({7, 9, 3, 1}, Activation::tanh, Loss::logistic);
  SampleSet set = synthetic_set(sample_problem(p), 4, true);
  for (int s = 1; s < set.size; ++s) {
    std::copy_n(set.inputs.begin(), 7, set.inputs.begin() + static_cast<std::ptrdiff_t>(s) * 7);
    set.targets[s] = set.targets[0];
  }
  p.probe = std::make_shared<SampleSet>(set);
  const auto got = measure(p, initial_parameters(p, 0));
  EXPECT_NEAR(got[0], 0, 1e-17);
  EXPECT_GT(got[6], 1e-3) << "gradient_norm";
}

}  // namespace
}  // namespace soret::deep
