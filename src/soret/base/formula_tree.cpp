#include "soret/base/formula_tree.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret {
namespace {

constexpr int kAnyNumber = -1;

struct Function {
  const char* name;
  int arguments;  ///< or kAnyNumber: one at least
  double (*apply)(const double* x, std::size_t n);
  const char* source;  ///< of any number: of two, folded from the left
};

double sign(double x) {
  return x < 0 ? -1.0 : (x > 0 ? 1.0 : 0.0);
}

#define SORET_ONE(name)                                                           \
  {                                                                               \
#name, 1, [](const double* x, std::size_t) { return std::name(x[0]); }, #name \
  }
const Function kFunctions[] = {
    SORET_ONE(sin),
    SORET_ONE(cos),
    SORET_ONE(tan),
    SORET_ONE(asin),
    SORET_ONE(acos),
    SORET_ONE(atan),
    SORET_ONE(sinh),
    SORET_ONE(cosh),
    SORET_ONE(tanh),
    SORET_ONE(asinh),
    SORET_ONE(acosh),
    SORET_ONE(atanh),
    SORET_ONE(exp),
    SORET_ONE(log),
    SORET_ONE(log2),
    SORET_ONE(log10),
    SORET_ONE(sqrt),
    {"ln", 1, [](const double* x, std::size_t) { return std::log(x[0]); }, "log"},
    {"abs", 1, [](const double* x, std::size_t) { return std::abs(x[0]); }, "fabs"},
    {"rint", 1, [](const double* x, std::size_t) { return std::floor(x[0] + 0.5); }, "soret_rint"},
    {"sign", 1, [](const double* x, std::size_t) { return sign(x[0]); }, "soret_sign"},
    {"atan2", 2, [](const double* x, std::size_t) { return std::atan2(x[0], x[1]); }, "atan2"},
    {"min", kAnyNumber, [](const double* x, std::size_t n) { return *std::min_element(x, x + n); },
     "soret_min"},
    {"max", kAnyNumber,
     [](const double* x, std::size_t n) {
       double most = x[0];
       for (std::size_t k = 1; k < n; ++k) most = std::max(most, x[k]);
       return most;
     },
     "soret_max"},
    {"sum", kAnyNumber,
     [](const double* x, std::size_t n) {
       double total = x[0];
       for (std::size_t k = 1; k < n; ++k) total += x[k];
       return total;
     },
     "soret_sum"},
    {"avg", kAnyNumber,
     [](const double* x, std::size_t n) {
       double total = x[0];
       for (std::size_t k = 1; k < n; ++k) total += x[k];
       return total / static_cast<double>(n);
     },
     "soret_sum"},
};
#undef SORET_ONE

struct Constant {
  const char* name;
  double value;
};
constexpr Constant kConstants[] = {
    {"pi", 3.14159265358979323846}, {"_pi", 3.141592653589}, {"_e", 2.71828182845904523536}};

/// Binary operators by how strongly they bind; longer ones first.
struct Operator {
  const char* text;
  char kind;
  int strength;
};
constexpr Operator kOperators[] = {
    {"||", '|', 1}, {"&&", '&', 2}, {"<=", 'l', 3}, {">=", 'g', 3}, {"==", '=', 3}, {"!=", '!', 3},
    {"<", '<', 3},  {">", '>', 3},  {"+", '+', 4},  {"-", '-', 4},  {"*", '*', 5},  {"/", '/', 5},
};
/// What the stack surely holds: brackets within brackets, and numbers, names and operators.
constexpr int kDeepest = 200;
constexpr std::size_t kLongest = 5000;

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

double power(double base, double exponent) {
  if (exponent == 2) return base * base;
  if (exponent == 3) return base * base * base;
  if (exponent == 4) return base * base * base * base;
  return std::pow(base, exponent);
}

}  // namespace

/// Recursive descent, one function per strength of binding.
class FormulaReader {
 public:
  FormulaReader(std::string_view text, std::span<const std::string> variables, FormulaTree& tree)
      : text_(text), variables_(variables), tree_(tree) {
    if (trim(text).empty()) throw ConfigError("the formula is empty");
    tree_.root_ = choice();
    skip_blanks();
    if (at_ < text_.size()) refuse_token();
  }

 private:
  int choice() {
    const int condition = binary(1);
    if (!take("?")) return condition;
    const int yes = choice();
    if (!take(":")) refuse_token("a ':' is missing");
    return add('?', {condition, yes, choice()});
  }

  int binary(int strength) {
    if (strength > 5) return operand();
    int left = binary(strength + 1);
    while (const Operator* found = take_operator(strength))
      left = add(found->kind, {left, binary(strength + 1)});
    return left;
  }

  int operand() {
    if (take("-")) return add('m', {power()});
    take("+");
    return power();
  }

  int power() {
    const int base = value();
    return take("^") ? add('^', {base, operand()}) : base;
  }

  int value() {
    skip_blanks();
    if (at_ == text_.size()) refuse(at_, "unexpected end");
    const char c = text_[at_];
    if (take("(")) {
      if (++depth_ > kDeepest) refuse(at_ - 1, "too many brackets within brackets");
      const int inside = choice();
      close();
      --depth_;
      return inside;
    }
    if (is_digit(c) || c == '.') return number();
    if (starts_name(c)) return named();
    refuse_token();
  }

  int number() {
    double x = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), x);
    if (error != std::errc{}) refuse_token();
    at_ = static_cast<std::size_t>(end - text_.data());
    const int node = add('n', {});
    tree_.nodes_[node].number = x;
    return node;
  }

  int named() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (starts_name(text_[at_]) || is_digit(text_[at_]))) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    if (const auto v = std::ranges::find(variables_, name); v != variables_.end()) {
      const int node = add('v', {});
      tree_.nodes_[node].index = static_cast<int>(v - variables_.begin());
      return node;
    }
    for (const Constant& c : kConstants) {
      if (name != c.name) continue;
      const int node = add('n', {});
      tree_.nodes_[node].number = c.value;
      return node;
    }
    const auto* const f = std::ranges::find(kFunctions, name, [](const Function& g) { return g.name; });
    if (f == std::end(kFunctions)) refuse_name(start, name);
    if (!take("(")) refuse(at_, fmt::format("a '(' is missing after {}", name));
    if (++depth_ > kDeepest) refuse(at_ - 1, "too many brackets within brackets");
    std::vector<int> arguments = {choice()};
    while (take(",")) arguments.push_back(choice());
    close();
    --depth_;
    if (f->arguments != kAnyNumber && std::ssize(arguments) != f->arguments)
      refuse(start, fmt::format("{} takes {} argument{}, not {},", name, f->arguments,
                                f->arguments == 1 ? "" : "s", arguments.size()));
    const int node = add('f', std::move(arguments));
    tree_.nodes_[node].index = static_cast<int>(f - kFunctions);
    return node;
  }

  int add(char kind, std::vector<int> operands) {
    if (tree_.nodes_.size() == kLongest)
      refuse(at_, fmt::format("more than {} numbers, names and operators", kLongest));
    tree_.nodes_.push_back({.kind = kind, .operands = std::move(operands)});
    return static_cast<int>(tree_.nodes_.size()) - 1;
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr) ++at_;
  }
  bool take(std::string_view token) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  const Operator* take_operator(int strength) {
    skip_blanks();
    const auto* const found = std::ranges::find_if(
        kOperators, [&](const Operator& o) { return text_.substr(at_).starts_with(o.text); });
    if (found == std::end(kOperators) || found->strength != strength) return nullptr;
    at_ += std::strlen(found->text);
    return found;
  }
  void close() {
    if (take(")")) return;
    if (at_ == text_.size()) refuse(at_, "a ')' is missing");
    refuse_token();
  }

  [[noreturn]] void refuse(std::size_t at, const std::string& what) const {
    throw ConfigError(fmt::format("{} at character {} of the formula\n  {}\n  {}^", what, at + 1, text_,
                                  std::string(at, ' ')));
  }
  [[noreturn]] void refuse_token(const std::string& why = {}) {
    skip_blanks();
    if (at_ == text_.size()) refuse(at_, why.empty() ? "unexpected end" : why);
    if (text_[at_] == ',') refuse(at_, "more than one value");
    refuse(at_, why.empty() ? fmt::format("'{}' cannot be read", text_[at_]) : why);
  }
  [[noreturn]] void refuse_name(std::size_t at, std::string_view name) const {
    std::vector<std::string> known(variables_.begin(), variables_.end());
    for (const Constant& c : kConstants) known.emplace_back(c.name);
    for (const Function& f : kFunctions) known.emplace_back(f.name);
    refuse(at, fmt::format("unknown name '{}' (variables are {} and the constant pi{}),", name,
                           fmt::join(variables_, ", "), did_you_mean(name, known)));
  }

  std::string_view text_;
  std::span<const std::string> variables_;
  FormulaTree& tree_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

FormulaTree::FormulaTree(std::string_view text, std::span<const std::string> variables) {
  FormulaReader(text, variables, *this);
}

double FormulaTree::evaluate(int n, std::span<const double> x) const {
  const Node& node = nodes_[n];
  const auto operand = [&](std::size_t k) { return evaluate(node.operands[k], x); };
  switch (node.kind) {
    case 'n':
      return node.number;
    case 'v':
      return x[node.index];
    case 'm':
      return -operand(0);
    case '+':
      return operand(0) + operand(1);
    case '-':
      return operand(0) - operand(1);
    case '*':
      return operand(0) * operand(1);
    case '/':
      return operand(0) / operand(1);
    case '^':
      return power(operand(0), operand(1));
    case '<':
      return operand(0) < operand(1) ? 1 : 0;
    case '>':
      return operand(0) > operand(1) ? 1 : 0;
    case 'l':
      return operand(0) <= operand(1) ? 1 : 0;
    case 'g':
      return operand(0) >= operand(1) ? 1 : 0;
    case '=':
      return operand(0) == operand(1) ? 1 : 0;
    case '!':
      return operand(0) != operand(1) ? 1 : 0;
    case '&':
      return operand(0) != 0 && operand(1) != 0 ? 1 : 0;
    case '|':
      return operand(0) != 0 || operand(1) != 0 ? 1 : 0;
    case '?':
      return operand(0) != 0 ? operand(1) : operand(2);
    default: {
      std::array<double, 4> few;
      std::vector<double> many;
      double* values = few.data();
      const std::size_t count = node.operands.size();
      if (count > few.size()) {
        many.resize(count);
        values = many.data();
      }
      for (std::size_t k = 0; k < count; ++k) values[k] = operand(k);
      return kFunctions[node.index].apply(values, count);
    }
  }
}

std::string FormulaTree::source(int n) const {
  const Node& node = nodes_[n];
  const auto operand = [&](std::size_t k) { return source(node.operands[k]); };
  const auto infix = [&](const char* token) {
    return fmt::format("({} {} {})", operand(0), token, operand(1));
  };
  const auto truth = [&](const char* token) {
    return fmt::format("(({} {} {}) ? 1.0 : 0.0)", operand(0), token, operand(1));
  };
  switch (node.kind) {
    case 'n':
      return fmt::format("{:a}", node.number);
    case 'v':
      return fmt::format("x[{}]", node.index);
    case 'm':
      return fmt::format("(-{})", operand(0));
    case '+':
      return infix("+");
    case '-':
      return infix("-");
    case '*':
      return infix("*");
    case '/':
      return infix("/");
    case '^': {
      const Node& exponent = nodes_[node.operands[1]];
      const bool product =
          exponent.kind == 'n' && (exponent.number == 2 || exponent.number == 3 || exponent.number == 4);
      return product ? fmt::format("soret_power_{}({})", static_cast<int>(exponent.number), operand(0))
                     : fmt::format("pow({}, {})", operand(0), operand(1));
    }
    case '<':
      return truth("<");
    case '>':
      return truth(">");
    case 'l':
      return truth("<=");
    case 'g':
      return truth(">=");
    case '=':
      return truth("==");
    case '!':
      return truth("!=");
    case '&':
      return fmt::format("(({} != 0.0 && {} != 0.0) ? 1.0 : 0.0)", operand(0), operand(1));
    case '|':
      return fmt::format("(({} != 0.0 || {} != 0.0) ? 1.0 : 0.0)", operand(0), operand(1));
    case '?':
      return fmt::format("(({} != 0.0) ? {} : {})", operand(0), operand(1), operand(2));
    default: {
      const Function& f = kFunctions[node.index];
      std::string text = operand(0);
      if (f.arguments == 1) return fmt::format("{}({})", f.source, text);
      for (std::size_t k = 1; k < node.operands.size(); ++k)
        text = fmt::format("{}({}, {})", f.source, text, operand(k));
      return std::string_view(f.name) == "avg" ? fmt::format("({} / {}.0)", text, node.operands.size())
                                               : text;
    }
  }
}

std::string formula_prelude(std::string_view qualifier) {
  std::string text;
  for (const char* definition : {
           "soret_power_2(double x) { return x * x; }",
           "soret_power_3(double x) { return x * x * x; }",
           "soret_power_4(double x) { return x * x * x * x; }",
           "soret_rint(double x) { return floor(x + 0.5); }",
           "soret_sign(double x) { return x < 0.0 ? -1.0 : (x > 0.0 ? 1.0 : 0.0); }",
           "soret_min(double x, double y) { return y < x ? y : x; }",
           "soret_max(double x, double y) { return x < y ? y : x; }",
           "soret_sum(double x, double y) { return x + y; }",
       })
    text += fmt::format("{} double {}\n", qualifier, definition);
  return text;
}

}  // namespace soret
