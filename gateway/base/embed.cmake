# cmake -DFROM=FILE -DTO=FILE.c -DNAME=symbol -P embed.cmake: a file as a C array, NAME, of NAME_bytes bytes.
file(READ ${FROM} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${TO} "#include <stddef.h>\n\nextern const unsigned char ${NAME}[];\nextern const size_t ${NAME}_bytes;\n\
const unsigned char ${NAME}[] = {\n${bytes}\n};\nconst size_t ${NAME}_bytes = ${size};\n")
