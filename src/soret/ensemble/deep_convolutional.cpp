#include <algorithm>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"
#include "soret/network/parallel.hpp"

/// A convolutional network, by the layers of src/soret/network. Ensembles run one network per thread, so that
/// the products of one network never share threads and their sums never depend on how many there are.
namespace soret::deep {
namespace {

class ConvolutionalNetwork {
 public:
  ConvolutionalNetwork(const Problem& problem, std::uint32_t trajectory)
      : p_(problem),
        sample_problem_(deep::sample_problem(problem)),
        teacher_(problem.label_kind == Labels::teacher ? teacher_parameters(sample_problem_)
                                                       : two_layer::Parameters{}),
        samples_(sample_problem_, teacher_, trajectory),
        network_(make_network(problem)),
        pass_(network_, problem.batch_size),
        parameters_(initial_parameters(problem, trajectory)),
        gradient_(parameters_.size()),
        velocity_(problem.momentum > 0 ? parameters_.size() : 0),
        x_(static_cast<std::size_t>(problem.batch_size) * problem.inputs()),
        targets_(static_cast<std::size_t>(problem.batch_size) * problem.outputs) {}

  void step(std::int64_t step) {
    const int batch = p_.batch_size;
    samples_.rows(static_cast<std::uint64_t>(step) * batch, batch, x_.data(), p_.inputs(), targets_.data());
    const float* z = network_.forward(pass_, batch, x_.data(), parameters_.data(), nullptr, {});
    float* d = pass_.output_gradient();
    std::copy_n(z, static_cast<std::size_t>(batch) * p_.outputs, d);
    const float per_batch = 1.0F / static_cast<float>(batch);
    for (int s = 0; s < batch; ++s, d += p_.outputs) {
      two_layer::with_types(p_.activation, p_.loss, [&]<Activation, Loss L>() {
        two_layer::residual<L>(p_.outputs, d, &targets_[static_cast<std::size_t>(s) * p_.outputs]);
      });
      for (int c = 0; c < p_.outputs; ++c) d[c] *= per_batch;
    }
    std::ranges::fill(gradient_, 0.0F);
    network_.backward(pass_, parameters_.data(), gradient_.data());
    if (p_.momentum > 0) {
      for (std::size_t k = 0; k < gradient_.size(); ++k)
        gradient_[k] = velocity_[k] = fma(p_.momentum, velocity_[k], gradient_[k]);
    }
    for (std::size_t k = 0; k < gradient_.size(); ++k)
      parameters_[k] = fma(-p_.learning_rate, gradient_[k], parameters_[k]);
  }

  std::span<const float> parameters() const { return parameters_; }

 private:
  const Problem& p_;
  two_layer::Problem sample_problem_;
  two_layer::Parameters teacher_;
  two_layer::SampleStream samples_;
  network::Network<float> network_;
  network::Pass<float> pass_;
  std::vector<float> parameters_, gradient_, velocity_;
  std::vector<float> x_;        ///< [B][inputs]
  std::vector<float> targets_;  ///< [B][C]
};

}  // namespace

void run_convolutional(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record) {
  const network::OneThread one;  // for oneDNN
  ConvolutionalNetwork network(problem, trajectory.index);
  follow(network, trajectory, 16, on_record);
}

}  // namespace soret::deep
