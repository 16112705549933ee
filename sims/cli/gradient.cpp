#include <fmt/core.h>

#include <cmath>
#include <numeric>

#include "sims/cli/arguments.hpp"
#include "sims/cli/checkpoint_files.hpp"
#include "sims/cli/output.hpp"
#include "sims/trained_network.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/data/batch.hpp"

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret gradient CHECKPOINT.h5 [options]",
    .about =
        "Loss, gradient and a Hessian-vector product of a trained network on given samples, with the "
        "samples\n"
        "themselves: all that it takes to check them with any other framework (docs/train.md).\n"
        "The Hessian is multiplied by the gradient unless --direction says otherwise. No dropout.",
    .examples =
        "  soret run configs/report001/fig01_04.cfg --set checkpoint.keep=final -o report.h5\n"
        "  soret gradient report.h5.checkpoints/point0-run0.h5 --samples 0:64 -o gradient.h5\n"
        "  soret gradient run.h5 --set test --precision double --batch-norm batch --json",
    .word = "CHECKPOINT.h5",
    .fewest = 1,
    .most = 1};

struct Request {
  std::string checkpoint, part, precision, batch_norm, direction, output;
  std::size_t first = 0, last = 0;
};

/// "10:74"
void read_samples(const Arguments& arguments, Request& request) {
  const std::string text = arguments.get("samples", std::string("0:64"));
  const auto colon = text.find(':');
  const auto first = parse_integer(text.substr(0, colon));
  const auto last = colon == std::string::npos ? std::nullopt : parse_integer(text.substr(colon + 1));
  if (!first || !last || *first < 0 || *last <= *first)
    usage_error(kUsage,
                fmt::format("--samples {}: write FIRST:LAST, counted from 0, LAST not included", text));
  request.first = static_cast<std::size_t>(*first);
  request.last = static_cast<std::size_t>(*last);
}

template <class T>
struct Result {
  double loss = 0;
  int correct = 0;
  std::vector<T> gradient, direction, product;
};

template <class T>
std::vector<T> in_precision(std::span<const float> values) {
  return {values.begin(), values.end()};
}

template <class T>
Result<T> compute(const sims::TrainOptions& options, const network::Shape& input, int classes,
                  const sims::Weights& weights, const data::Batch<float>& batch, const Request& request) {
  const auto network = sims::make_network<T>(options.model, input, classes);
  const int n = static_cast<int>(batch.size());
  const int outputs = static_cast<int>(network.output().size());
  const auto x = in_precision<T>(batch.x);
  const auto parameters = in_precision<T>(weights.parameters);
  const auto state = in_precision<T>(weights.state);
  training::LabelTargets single;
  const auto of_labels = single(options.model.head, outputs, batch.labels);
  std::vector<T> values;
  if (of_labels.values)
    values.assign(of_labels.values, of_labels.values + static_cast<std::ptrdiff_t>(n) * outputs);
  const network::Targets<T> targets{batch.labels.data(), values.empty() ? nullptr : values.data(), false};

  Result<T> result;
  result.gradient.resize(parameters.size());
  result.product.resize(parameters.size());
  network::Pass<T> pass(network, n);
  result.loss = network::gradient(
      network, options.model.head, pass, n, x.data(), targets, 1.0 / n, parameters.data(), state.data(),
      {.batch_statistics = request.batch_norm == "batch", .dropout = false}, result.gradient.data());
  result.correct =
      network::correct(options.model.head, n, outputs, network.output_of(pass), batch.labels.data());
  if (request.direction == "gradient") {
    result.direction = result.gradient;
  } else {
    result.direction = in_precision<T>(sims::random_direction(parameters.size(), options.seed));
  }
  network::hessian_vector(network, options.model.head, pass, targets, 1.0 / n, parameters.data(),
                          result.direction.data(), result.product.data());
  return result;
}

template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <class T>
void report(const Request& request, const sims::TrainedNetwork& trained, const data::Dataset& set,
            bool as_json) {
  const network::Network<float>& network = *trained.network;
  std::vector<std::uint32_t> indices(request.last - request.first);
  std::iota(indices.begin(), indices.end(), static_cast<std::uint32_t>(request.first));
  data::Batch<float> batch;
  data::assemble(set, indices, batch);
  const Result<T> result =
      compute<T>(trained.options, network.input(), set.classes, trained.weights, batch, request);

  if (!request.output.empty()) {
    store::Dataset file;
    put_parameters(network, ".gradient", std::span<const T>(result.gradient), file);
    put_parameters(network, ".direction", std::span<const T>(result.direction), file);
    put_parameters(network, ".hessian_vector", std::span<const T>(result.product), file);
    const std::size_t n = batch.size();
    for (const auto& [name, size] : {std::pair<const char*, std::size_t>{"sample", n},
                                     {"row", set.height},
                                     {"column", set.width},
                                     {"channel", set.channels}})
      file.dimensions.push_back({name, size});
    file.variables.push_back({"x", {"sample", "row", "column", "channel"}, batch.x, {}});
    file.variables.push_back(
        {"label", {"sample"}, std::vector<std::int64_t>(batch.labels.begin(), batch.labels.end()), {}});
    file.attributes = {{"title", "Soret gradient"},
                       {"checkpoint", request.checkpoint},
                       {"loss", result.loss},
                       {"precision", request.precision},
                       {"batch_norm", request.batch_norm}};
    store::write(file, request.output);
  }
  const double vv = dot(result.direction, result.direction);
  const nlohmann::json json = {{"checkpoint", request.checkpoint},
                               {"samples", batch.size()},
                               {"loss", result.loss},
                               {"accuracy", result.correct / static_cast<double>(batch.size())},
                               {"gradient_norm", std::sqrt(dot(result.gradient, result.gradient))},
                               {"direction_norm", std::sqrt(vv)},
                               {"hessian_vector_norm", std::sqrt(dot(result.product, result.product))},
                               {"curvature", dot(result.direction, result.product) / vv}};
  if (as_json) return print_json(json);
  fmt::print(
      "{} samples: loss {:.9g}, accuracy {:.4g}\n|g| = {:.9g}\nv.Hv/v.v = {:.9g}, |Hv| = {:.9g}, v {}\n",
      batch.size(), result.loss, json["accuracy"].get<double>(), json["gradient_norm"].get<double>(),
      json["curvature"].get<double>(), json["hessian_vector_norm"].get<double>(),
      request.direction == "gradient" ? "the gradient" : "a random vector");
}

}  // namespace

void gradient(const Words& words) {
  po::options_description options;
  options.add_options()                                                                                //
      ("samples", po::value<std::string>()->value_name("A:B"), "samples A to B - 1; default 0:64")     //
      ("set", po::value<std::string>()->value_name("SET"), "train (the default), validation or test")  //
      ("data", po::value<std::string>()->value_name("DIR"), "where the data set lies now")             //
      ("precision", po::value<std::string>()->value_name("P"), "single (the default) or double")       //
      ("batch-norm", po::value<std::string>()->value_name("WHICH"),
       "statistics: running (the default) or of the batch")  //
      ("direction", po::value<std::string>()->value_name("V"),
       "what the Hessian is multiplied by: gradient (the default) or random")  //
      ("output,o", po::value<std::string>()->value_name("OUT.h5"),
       "the samples, the gradient and the product, named and shaped as the checkpoint's parameters")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  Request request{.checkpoint = arguments->words[0],
                  .part = arguments->get("set", std::string("train")),
                  .precision = arguments->get("precision", std::string("single")),
                  .batch_norm = arguments->get("batch-norm", std::string("running")),
                  .direction = arguments->get("direction", std::string("gradient")),
                  .output = arguments->get("output")};
  require_choice(kUsage, "--set", request.part, {"train", "validation", "test"});
  require_choice(kUsage, "--precision", request.precision, {"single", "double"});
  require_choice(kUsage, "--batch-norm", request.batch_norm, {"running", "batch"});
  require_choice(kUsage, "--direction", request.direction, {"gradient", "random"});
  read_samples(*arguments, request);

  const sims::TrainedNetwork trained =
      sims::TrainedNetworks()(request.checkpoint, {.path = arguments->get("data")});
  const sims::TrainingSet& sets = *trained.set;
  const data::Dataset& set = request.part == "train"  ? sets.train
                             : request.part == "test" ? sets.test
                                                      : sets.validation;
  if (request.last > set.size())
    throw ConfigError(fmt::format("--samples {}:{}: the {} set has {} samples", request.first, request.last,
                                  request.part, set.size()));
  if (request.precision == "double")
    report<double>(request, trained, set, arguments->flag("json"));
  else
    report<float>(request, trained, set, arguments->flag("json"));
}

}  // namespace soret::cli
