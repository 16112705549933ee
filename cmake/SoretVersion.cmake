# The version and the commit, compiled into src/soret/base/version.cpp.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE SORET_GIT_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT SORET_GIT_COMMIT)
  set(SORET_GIT_COMMIT "unknown")
endif()
# A new commit or a newly staged change asks CMake to run again.
foreach(file HEAD index)
  if(EXISTS ${CMAKE_SOURCE_DIR}/.git/${file})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/.git/${file})
  endif()
endforeach()
configure_file(${CMAKE_SOURCE_DIR}/src/soret/base/version.hpp.in ${CMAKE_BINARY_DIR}/generated/soret/base/version_info.hpp @ONLY)
target_include_directories(soret_flags INTERFACE ${CMAKE_BINARY_DIR}/generated)
