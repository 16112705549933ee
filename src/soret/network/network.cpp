#include "soret/network/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::network {
namespace {

/// A piece of a pass's memory, needed from the turn of node `born` to that of node `dies`, backwards.
struct Piece {
  std::size_t size = 0, at = 0;
  bool passes = false;  ///< not to the end
  int born = std::numeric_limits<int>::max();
  int dies = 0;
};

/// Places the pieces at multiples of `line`, those that are needed at the same time beside each other, large
/// ones first. Returns the size of all.
std::size_t place(std::vector<Piece>& pieces, std::size_t line) {
  std::vector<Piece*> by_size;
  for (Piece& p : pieces) {
    p.size = (p.size + line - 1) / line * line;
    by_size.push_back(&p);
  }
  std::ranges::stable_sort(by_size, [](const Piece* a, const Piece* b) { return a->size > b->size; });
  std::size_t total = 0;
  std::vector<const Piece*> placed;  // by place
  for (Piece* const p : by_size) {
    for (const Piece* const other : placed) {
      const bool together = other->dies <= p->born && p->dies <= other->born;
      if (together && p->at + p->size > other->at) p->at = std::max(p->at, other->at + other->size);
    }
    placed.insert(std::ranges::upper_bound(placed, p->at, {}, &Piece::at), p);
    total = std::max(total, p->at + p->size);
  }
  return total;
}

}  // namespace

template <class T>
Network<T>::Network(const Shape& input) {
  nodes_.push_back({.name = "input", .shape = input});
}

template <class T>
const Shape& Network<T>::shape(int node) const {
  return nodes_[static_cast<std::size_t>(node)].shape;
}

template <class T>
int Network<T>::add(std::string name, std::unique_ptr<Layer<T>> layer, int from) {
  if (layer->input() != shape(from)) {
    throw ConfigError(fmt::format("{} takes an input of shape {}, but {} gives {}", name,
                                  text(layer->input()), this->name(from), text(shape(from))));
  }
  Node node{.name = std::move(name), .from = from, .shape = layer->output()};
  node.parameters = parameter_count_;
  node.state = state_count_;
  for (Parameter& p : layer->parameters()) {
    const std::size_t size = p.size();
    parameters_.push_back({node.name + "." + p.name, std::move(p), parameter_count_});
    parameter_count_ += size;
  }
  for (Parameter& p : layer->state()) {
    const std::size_t size = p.size();
    state_.push_back({node.name + "." + p.name, std::move(p), state_count_});
    state_count_ += size;
  }
  node.has_parameters_below =
      nodes_[static_cast<std::size_t>(from)].has_parameters_below || parameter_count_ > node.parameters;
  node.layer = std::move(layer);
  nodes_.push_back(std::move(node));
  read(from);
  // Backwards the last reader comes first: of all readers of `from` it writes, the earlier ones add.
  for (Node& reader : nodes_) {
    if (&reader == &nodes_.back()) break;
    if (reader.from == from) reader.adds = true;
    if (reader.other == from) reader.adds_other = true;
  }
  return last();
}

template <class T>
int Network<T>::add_sum(std::string name, int a, int b) {
  if (shape(a) != shape(b)) {
    throw ConfigError(fmt::format("{} adds {} of shape {} and {} of shape {}: they must be equal", name,
                                  nodes_[static_cast<std::size_t>(a)].name, text(shape(a)),
                                  nodes_[static_cast<std::size_t>(b)].name, text(shape(b))));
  }
  Node node{.name = std::move(name), .from = a, .other = b, .shape = shape(a), .adds_other = a == b};
  node.has_parameters_below = nodes_[static_cast<std::size_t>(a)].has_parameters_below ||
                              nodes_[static_cast<std::size_t>(b)].has_parameters_below;
  for (Node& reader : nodes_) {
    if (reader.from == a || reader.from == b) reader.adds = true;
    if (reader.other == a || reader.other == b) reader.adds_other = true;
  }
  nodes_.push_back(std::move(node));
  read(a);
  read(b);
  return last();
}

template <class T>
void Network<T>::read(int node) {
  ++nodes_[node].readers;
  nodes_[node].last_reader = last();
}

template <class T>
std::vector<T> Network<T>::initial_state() const {
  std::vector<T> state(state_count_, T{});
  for (const View& v : state_)
    if (v.what.kind == Parameter::Kind::scale)
      std::fill_n(state.begin() + static_cast<std::ptrdiff_t>(v.offset), v.what.size(), T{1});
  return state;
}

template <class T>
Values<T> Network<T>::values(const Pass<T>& pass, int i, const T* parameters) const {
  const Node& node = nodes_[i];
  return {pass.n_, parameters + node.parameters, node.from == 0 ? pass.input_ : pass.y_.of[node.from],
          pass.y_.of[i], pass.kept_.of[i]};
}

// Nodes below the first parameters do not move.
template <class T>
Tangents<T> Network<T>::tangents(const Pass<T>& pass, int i, const T* direction) const {
  const Node& node = nodes_[i];
  return {direction + node.parameters,
          nodes_[node.from].has_parameters_below ? pass.tangent_.of[node.from] : nullptr, pass.tangent_.of[i],
          pass.kept_tangent_.of[i]};
}

template <class T>
const T* Network<T>::forward(Pass<T>& pass, int n, const T* x, const T* parameters, const T* state,
                             const Mode& mode) const {
  pass.provide(pass.y_, Pass<T>::What::values);
  pass.provide(pass.kept_, Pass<T>::What::kept);
  pass.n_ = n;
  pass.input_ = x;
  const auto at = [&](int node) { return node == 0 ? x : pass.y_.of[node]; };
  for (int i = 1; i <= last(); ++i) {
    const Node& node = nodes_[i];
    if (node.layer) {
      try {
        node.layer->forward(values(pass, i, parameters), mode, state + node.state);
      } catch (const ConfigError& error) {
        throw ConfigError(fmt::format("{}: {}", node.name, error.what()));
      }
    } else {
      const T* const a = at(node.from);
      const T* const b = at(node.other);
      put(n * node.shape.size(), pass.y_.of[i], false, [=](std::size_t k) { return a[k] + b[k]; });
    }
  }
  return at(last());
}

template <class T>
const T* Network<T>::output_of(const Pass<T>& pass) const {
  return last() == 0 ? pass.input_ : pass.y_.of[last()];
}

template <class T>
const T* Network<T>::values_of(const Pass<T>& pass, int node) const {
  return pass.y_.of[node];
}

template <class T>
void Network<T>::backward(Pass<T>& pass, const T* parameters, T* gradient) const {
  for (int i = last(); i > 0; --i) {
    const Node& node = nodes_[i];
    if (!node.has_parameters_below) continue;
    redo_for(pass, i, parameters, nullptr);
    const auto& of = pass.gradient_.of;
    const auto wanted = [&](int from) { return nodes_[from].has_parameters_below; };
    if (node.layer) {
      node.layer->backward(values(pass, i, parameters),
                           {of[i], wanted(node.from) ? of[node.from] : nullptr, node.adds,
                            gradient ? gradient + node.parameters : nullptr});
      continue;
    }
    const std::size_t size = pass.n_ * node.shape.size();
    for (const auto& [from, add] :
         {std::pair(node.from, node.adds), std::pair(node.other, node.adds_other)}) {
      if (!wanted(from) || of[from] == of[i]) continue;
      put(size, of[from], add, [y = of[i]](std::size_t k) { return y[k]; });
    }
  }
}

template <class T>
void Network<T>::sample_squares(const Pass<T>& pass, const T* parameters, double* squares) const {
  for (int i = 1; i <= last(); ++i) {
    const Node& node = nodes_[i];
    if (!node.layer || node.layer->parameters().empty()) continue;
    try {
      node.layer->sample_squares(values(pass, i, parameters), pass.gradient_.of[i], squares);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}: {}", node.name, error.what()));
    }
    squares += pass.n_;
  }
}

template <class T>
const T* Network<T>::forward_tangent(Pass<T>& pass, const T* parameters, const T* direction) const {
  pass.provide(pass.tangent_, Pass<T>::What::values);
  pass.provide(pass.kept_tangent_, Pass<T>::What::kept);
  // Nodes below the first parameters do not move.
  const auto at = [&](int node) -> const T* {
    return nodes_[node].has_parameters_below ? pass.tangent_.of[node] : nullptr;
  };
  for (int i = 1; i <= last(); ++i) {
    const Node& node = nodes_[i];
    if (!node.has_parameters_below) continue;
    T* const y = pass.tangent_.of[i];
    if (node.layer) {
      if (pass.redone_[i]) node.layer->redo(values(pass, i, parameters));
      node.layer->forward_tangent(values(pass, i, parameters), tangents(pass, i, direction));
      continue;
    }
    const T* const a = at(node.from);
    const T* const b = at(node.other);
    put(pass.n_ * node.shape.size(), y, false,
        [=](std::size_t k) { return (a ? a[k] : T{}) + (b ? b[k] : T{}); });
  }
  return pass.tangent_.of[last()];
}

template <class T>
void Network<T>::backward_tangent(Pass<T>& pass, const T* parameters, const T* direction, T* product) const {
  const auto& of = pass.gradient_.of;
  const auto& of_tangent = pass.gradient_tangent_.of;
  const bool in_place = product == direction;
  std::size_t end = parameter_count_;
  for (int i = last(); i > 0; --i) {
    const Node& node = nodes_[i];
    if (!node.has_parameters_below) continue;
    redo_for(pass, i, parameters, direction);
    const auto wanted = [&](int from) { return nodes_[from].has_parameters_below; };
    if (node.layer) {
      const bool x = wanted(node.from);
      const std::size_t count = end - node.parameters;
      end = node.parameters;
      // Nobody below reads the layer's part of the direction.
      T* const own = in_place ? pass.own_product_.get(count) : product + node.parameters;
      if (in_place) std::fill_n(own, count, T{});
      node.layer->backward_tangent(
          values(pass, i, parameters), tangents(pass, i, direction),
          {of[i], pass.after_ == After::tangents && x && gives_again(i) ? of[node.from] : nullptr, false,
           nullptr},
          {of_tangent[i], x ? of_tangent[node.from] : nullptr, node.adds, own});
      if (in_place) std::copy_n(own, count, product + node.parameters);
      continue;
    }
    const std::size_t size = pass.n_ * node.shape.size();
    for (const auto& [from, add] :
         {std::pair(node.from, node.adds), std::pair(node.other, node.adds_other)}) {
      if (!wanted(from) || of_tangent[from] == of_tangent[i]) continue;
      put(size, of_tangent[from], add, [y = of_tangent[i]](std::size_t k) { return y[k]; });
    }
  }
}

template <class T>
void Network<T>::update_state(Pass<T>& pass, T* state) const {
  for (int i = 1; i <= last(); ++i)
    if (nodes_[i].layer) nodes_[i].layer->update(values(pass, i, nullptr), state + nodes_[i].state);
}

template <class T>
void Network<T>::add_statistics(Pass<T>& pass, double* sums) const {
  for (int i = 1; i <= last(); ++i)
    if (nodes_[i].layer) nodes_[i].layer->add_statistics(values(pass, i, nullptr), sums + nodes_[i].state);
}

template <class T>
bool Network<T>::overwrites(int to, int from) const {
  const Node& reader = nodes_[to];
  const Node& read = nodes_[from];
  return from != 0 && read.readers == 1 && (!reader.layer || reader.layer->in_place()) &&
         !(read.layer && read.layer->in_place());  // it reads its own y
}

template <class T>
bool Network<T>::gives_again(int node) const {
  const Node& reader = nodes_[node];
  const Node& read = nodes_[reader.from];
  return reader.layer && reader.layer->gives_again() && read.readers == 1 &&
         !(read.layer && read.layer->in_place());  // it has changed its gradient since
}

template <class T>
int Network<T>::redone_from(int node) const {
  const Node& top = nodes_[node];
  if (top.readers == 0 || !top.layer || !top.layer->redoes()) return -1;
  const bool overwritten = nodes_[top.last_reader].from == node && overwrites(top.last_reader, node);
  if (overwritten) return -1;
  const int first = top.layer->in_place() && overwrites(node, top.from) ? top.from : node;
  const Node& bottom = nodes_[first];
  if (!bottom.layer || !bottom.layer->redoes() || bottom.layer->in_place()) return -1;
  return redone_from(bottom.from) < 0 ? first : -1;  // from what is kept
}

template <class T>
void Network<T>::redo_for(const Pass<T>& pass, int reader, const T* parameters, const T* direction) const {
  const auto redo = [&](int node) {
    const Layer<T>& layer = *nodes_[node].layer;
    layer.redo(values(pass, node, parameters));
    if (direction) layer.redo_tangent(values(pass, node, parameters), tangents(pass, node, direction));
  };
  for (const int node : {nodes_[reader].from, nodes_[reader].other}) {
    if (node < 1 || pass.redone_from_[node] < 0 || nodes_[node].last_reader != reader) continue;
    const bool needed = nodes_[reader].layer || nodes_[node].readers > 1 || nodes_[node].layer->in_place();
    if (!needed) continue;  // a sum alone reads nothing downwards
    redo(pass.redone_from_[node]);
    if (node != pass.redone_from_[node]) redo(node);
  }
}

template <class T>
Pass<T>::Pass(const Network<T>& network, int capacity, After after)
    : network_(&network),
      capacity_(capacity),
      after_(after),
      redone_from_(network.nodes_.size(), -1),
      redone_(network.nodes_.size(), false) {
  for (int i = 1; i <= network.last() && after == After::tangents; ++i) {
    redone_from_[i] = network.redone_from(i);
    if (redone_from_[i] >= 0) redone_[i] = redone_[redone_from_[i]] = true;
  }
}

template <class T>
std::vector<std::size_t> Pass<T>::plan(What what, std::size_t& size) const {
  const auto& nodes = network_->nodes_;
  const int count = network_->last() + 1;
  std::vector<Piece> pieces(nodes.size());
  std::vector<int> piece_of(nodes.size());  // several nodes may have one: it is named by the last of them
  std::iota(piece_of.begin(), piece_of.end(), 0);
  for (int i = count - 1; i >= 0; --i) {
    const auto& node = nodes[i];
    Piece& piece = pieces[piece_of[i]];
    if (what == What::kept) {
      piece.size = node.layer ? node.layer->kept(capacity_) : 0;
      continue;
    }
    const bool wanted = what == What::values || node.has_parameters_below || i == count - 1;
    if (i > 0 && wanted) piece.size = capacity_ * node.shape.size();  // the input is the caller's
    if (piece_of[i] == i && what == What::values) {
      piece.passes = redone_from_[i] >= 0;
      if (piece.passes) piece.born = node.last_reader;
    } else if (piece_of[i] == i) {
      const bool output = i == count - 1;
      const bool read = output || node.readers > 0;
      const bool given_again =
          after_ == After::tangents && !output && network_->gives_again(node.last_reader);
      piece.passes = read && (what == What::gradient_tangents || after_ == After::nothing || given_again);
      if (piece.passes) piece.born = output ? count : node.last_reader;
    }
    if (piece.passes) piece.dies = i;
    // A sum hands its gradient on to both terms as it is.
    const bool both = what != What::values && !node.layer && i > 0;
    if (i > 0 && network_->overwrites(i, node.from)) piece_of[node.from] = piece_of[i];
    if (both && network_->overwrites(i, node.other)) piece_of[node.other] = piece_of[i];
  }
  size = place(pieces, 64 / sizeof(T));
  std::vector<std::size_t> at;
  for (const int piece : piece_of) at.push_back(pieces[piece].at);
  return at;
}

template <class T>
void Pass<T>::provide(Layers& layers, What what) const {
  if (!layers.of.empty()) return;
  const auto places = plan(what, layers.size);
  T* const memory = layers.memory.get(layers.size);
  for (const std::size_t at : places) layers.of.push_back(memory + at);
}

template <class T>
std::size_t Pass<T>::planned_bytes(bool tangents) const {
  std::vector<What> all = {What::values, What::kept, What::gradients};
  if (tangents) all.insert(all.end(), {What::values, What::kept, What::gradient_tangents});
  std::size_t count = 0;
  for (const What what : all) {
    std::size_t size = 0;
    plan(what, size);
    count += size;
  }
  return count * sizeof(T);
}

template <class T>
T* Pass<T>::output_gradient() {
  provide(gradient_, What::gradients);
  return gradient_.of.back();
}

template <class T>
T* Pass<T>::output_gradient_tangent() {
  provide(gradient_tangent_, What::gradient_tangents);
  return gradient_tangent_.of.back();
}

template <class T>
std::size_t Pass<T>::bytes() const {
  std::size_t count = 0;
  for (const Layers* layers : {&y_, &kept_, &gradient_, &tangent_, &kept_tangent_, &gradient_tangent_})
    count += layers->size;
  return count * sizeof(T);
}

template <class T>
double gradient(const Network<T>& network, HeadKind head, Pass<T>& pass, int n, const T* x,
                const Targets<T>& targets, double weight, const T* parameters, const T* state,
                const Mode& mode, T* gradient) {
  const T* const z = network.forward(pass, n, x, parameters, state, mode);
  const int classes = static_cast<int>(network.output().size());
  const double value = evaluate(head, n, classes, z, targets, weight, pass.output_gradient());
  network.backward(pass, parameters, gradient);
  return value;
}

template <class T>
void hessian_vector(const Network<T>& network, HeadKind head, Pass<T>& pass, const Targets<T>& targets,
                    double weight, const T* parameters, const T* direction, T* product) {
  const T* const zt = network.forward_tangent(pass, parameters, direction);
  const int classes = static_cast<int>(network.output().size());
  evaluate_tangent(head, pass.samples(), classes, network.output_of(pass), targets, weight, zt,
                   pass.output_gradient_tangent());
  network.backward_tangent(pass, parameters, direction, product);
}

// T is a type: it needs no parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define SORET_INSTANTIATE(T)                                                                           \
  template class Network<T>;                                                                           \
  template class Pass<T>;                                                                              \
  template double gradient<T>(const Network<T>&, HeadKind, Pass<T>&, int, const T*, const Targets<T>&, \
                              double, const T*, const T*, const Mode&, T*);                            \
  template void hessian_vector<T>(const Network<T>&, HeadKind, Pass<T>&, const Targets<T>&, double,    \
                                  const T*, const T*, T*);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace soret::network
