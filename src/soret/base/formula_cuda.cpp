#include "soret/base/formula_cuda.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"

#if defined(SORET_HAVE_CUDA) && __has_include(<nvrtc.h>) && __has_include(<nvJitLink.h>)
#define SORET_HAVE_NVRTC 1
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nvJitLink.h>
#include <nvrtc.h>
#endif

namespace soret {

std::string formula_cuda_source(std::span<const FormulaTree> formulas) {
  std::string text = formula_prelude("static __device__ __forceinline__");
  text += "extern \"C\" __device__ void soret_formulas(const double* x, double* values) {\n";
  for (std::size_t i = 0; i < formulas.size(); ++i)
    text += fmt::format("  const double value_{} = {};\n", i, formulas[i].source());
  for (std::size_t i = 0; i < formulas.size(); ++i) text += fmt::format("  values[{0}] = value_{0};\n", i);
  return text + "}\n";
}

#if defined(SORET_HAVE_NVRTC)
namespace {

/// A shared library of the CUDA toolkit, sought where the loader looks and where the toolkit lay at the
/// build.
class SharedLibrary {
 public:
  explicit SharedLibrary(const std::string& name) : name_(name) {
    for (const std::string& place : {name, SORET_CUDA_LIBRARY_DIR "/" + name}) {
      handle_ = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) return;
    }
    throw RunError(fmt::format(
        "a formula on CUDA needs {} of the CUDA toolkit {}, which the loader does not find: add its "
        "folder to LD_LIBRARY_PATH, or use --backend cpu",
        name, CUDART_VERSION / 1000));
  }
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;
  ~SharedLibrary() = default;  // stays loaded: these libraries keep state until the process ends

  template <class F>
  void find(F*& function, const char* symbol) const {
    function = reinterpret_cast<F*>(dlsym(handle_, symbol));
    if (function == nullptr)
      throw RunError(fmt::format("{} has no {}: it is of another version", name_, symbol));
  }

 private:
  std::string name_;
  void* handle_ = nullptr;
};

/// The functions that are used, under their own names.
struct Nvrtc {
  Nvrtc() {
    const SharedLibrary library(fmt::format("libnvrtc.so.{}", CUDART_VERSION / 1000));
    library.find(create, "nvrtcCreateProgram");
    library.find(compile, "nvrtcCompileProgram");
    library.find(destroy, "nvrtcDestroyProgram");
    library.find(log_size, "nvrtcGetProgramLogSize");
    library.find(log, "nvrtcGetProgramLog");
    library.find(code_size, "nvrtcGetLTOIRSize");
    library.find(code, "nvrtcGetLTOIR");
    library.find(error_string, "nvrtcGetErrorString");
  }
  decltype(nvrtcCreateProgram)* create;
  decltype(nvrtcCompileProgram)* compile;
  decltype(nvrtcDestroyProgram)* destroy;
  decltype(nvrtcGetProgramLogSize)* log_size;
  decltype(nvrtcGetProgramLog)* log;
  decltype(nvrtcGetLTOIRSize)* code_size;
  decltype(nvrtcGetLTOIR)* code;
  decltype(nvrtcGetErrorString)* error_string;
};

struct JitLink {
  JitLink() {
    const SharedLibrary library(fmt::format("libnvJitLink.so.{}", CUDART_VERSION / 1000));
    library.find(create, "nvJitLinkCreate");
    library.find(add, "nvJitLinkAddData");
    library.find(complete, "nvJitLinkComplete");
    library.find(destroy, "nvJitLinkDestroy");
    library.find(log_size, "nvJitLinkGetErrorLogSize");
    library.find(log, "nvJitLinkGetErrorLog");
    library.find(code_size, "nvJitLinkGetLinkedCubinSize");
    library.find(code, "nvJitLinkGetLinkedCubin");
  }
  decltype(nvJitLinkCreate)* create;
  decltype(nvJitLinkAddData)* add;
  decltype(nvJitLinkComplete)* complete;
  decltype(nvJitLinkDestroy)* destroy;
  decltype(nvJitLinkGetErrorLogSize)* log_size;
  decltype(nvJitLinkGetErrorLog)* log;
  decltype(nvJitLinkGetLinkedCubinSize)* code_size;
  decltype(nvJitLinkGetLinkedCubin)* code;
};

const Nvrtc& nvrtc() {
  static const Nvrtc functions;
  return functions;
}
const JitLink& jit_link() {
  static const JitLink functions;
  return functions;
}

class Program {
 public:
  explicit Program(const std::string& source) {
    check(nvrtc().create(&program_, source.c_str(), "formula.cu", 0, nullptr, nullptr), source);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { nvrtc().destroy(&program_); }

  /// LTO-IR.
  std::vector<char> compile(const std::string& source, int architecture) {
    const std::string arch = fmt::format("-arch=compute_{}", architecture);
    // As the kernels are compiled: relocatable, and fused only where the code says so.
    const char* const options[] = {arch.c_str(), "-dlto", "-rdc=true", "-fmad=false"};
    check(nvrtc().compile(program_, static_cast<int>(std::size(options)), options), source);
    std::size_t size = 0;
    check(nvrtc().code_size(program_, &size), source);
    std::vector<char> code(size);
    check(nvrtc().code(program_, code.data()), source);
    return code;
  }

 private:
  void check(nvrtcResult result, const std::string& source) const {
    if (result == NVRTC_SUCCESS) return;
    std::size_t size = 0;
    std::string log;
    if (program_ != nullptr && nvrtc().log_size(program_, &size) == NVRTC_SUCCESS) {
      log.resize(size);
      nvrtc().log(program_, log.data());
    }
    throw RunError(fmt::format("NVRTC: {}\n{}\nin\n{}", nvrtc().error_string(result), log.c_str(), source));
  }

  nvrtcProgram program_ = nullptr;
};

class Linker {
 public:
  Linker(const std::string& kernel, int architecture) {
    const std::string arch = fmt::format("-arch=sm_{}", architecture);
    const std::string used = "-kernels-used=" + kernel;
    const char* options[] = {arch.c_str(), "-lto", "-fma=0", used.c_str()};
    check(jit_link().create(&handle_, std::size(options), options), "nvJitLinkCreate");
  }
  Linker(const Linker&) = delete;
  Linker& operator=(const Linker&) = delete;
  ~Linker() { jit_link().destroy(&handle_); }

  void add(nvJitLinkInputType type, const void* data, std::size_t size, const char* name) {
    check(jit_link().add(handle_, type, data, size, name), "nvJitLinkAddData");
  }
  /// Machine code.
  std::vector<char> link() {
    check(jit_link().complete(handle_), "nvJitLinkComplete");
    std::size_t size = 0;
    check(jit_link().code_size(handle_, &size), "nvJitLinkGetLinkedCubinSize");
    std::vector<char> code(size);
    check(jit_link().code(handle_, code.data()), "nvJitLinkGetLinkedCubin");
    return code;
  }

 private:
  void check(nvJitLinkResult result, const char* call) const {
    if (result == NVJITLINK_SUCCESS) return;
    std::size_t size = 0;
    std::string log;
    if (handle_ != nullptr && jit_link().log_size(handle_, &size) == NVJITLINK_SUCCESS) {
      log.resize(size);
      jit_link().log(handle_, log.data());
    }
    throw RunError(fmt::format("{}: error {}\n{}", call, static_cast<int>(result), log.c_str()));
  }

  nvJitLinkHandle handle_ = nullptr;
};

}  // namespace

std::vector<char> link_formulas(std::span<const unsigned char> kernels, const std::string& kernel,
                                std::span<const FormulaTree> formulas, int architecture) {
  const std::string source = formula_cuda_source(formulas);
  const std::vector<char> code = Program(source).compile(source, architecture);
  Linker linker(kernel, architecture);
  linker.add(NVJITLINK_INPUT_FATBIN, kernels.data(), kernels.size(), "kernels");
  linker.add(NVJITLINK_INPUT_LTOIR, code.data(), code.size(), "formulas");
  return linker.link();
}

std::string missing_formula_compiler() {
  try {
    nvrtc();
    jit_link();
  } catch (const RunError& error) {
    return error.what();
  }
  return "";
}

#else

std::string missing_formula_compiler() {
  return "this build of soret has no NVRTC and takes no formulas to CUDA; use a built-in field or landscape, "
         "or "
         "--backend cpu";
}

std::vector<char> link_formulas(std::span<const unsigned char>, const std::string&,
                                std::span<const FormulaTree>, int) {
  throw RunError(missing_formula_compiler());
}

#endif

}  // namespace soret
