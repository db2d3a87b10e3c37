# The addon for the daemon's process, the program of the built-in hello image, and what starts gantry and gantry-runc.
ADDON_SOURCES := $(wildcard addon/*.c) src/err.c src/tree_remove.c src/tree_usage.c src/tree_inodes.c src/tree_open.c \
  src/tree_path.c src/tree_fingerprint.c src/sha256.c
ADDON_OBJECTS := $(ADDON_SOURCES:%.c=$(BUILD)/native-addon/%.o)
NODE_API := ../node_modules/node-api-headers/include

all: $(BUILD)/gantry.node $(BUILD)/hello $(BUILD)/gantry-runc $(BUILD)/gantry

$(BUILD)/gantry.node: $(ADDON_OBJECTS)
	$(CC) -shared -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -s -o $@ $^

$(BUILD)/native-addon/%.o: %.c Makefile addon/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Isrc -isystem $(NODE_API) $(COMMON_CFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden \
	  -fstack-protector-strong -D_FORTIFY_SOURCE=2 -c -o $@ $<

# No C library: it is the whole content of an image.
$(BUILD)/hello: hello/hello.c addon/rules.mk
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARNINGS) -Os -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie \
	  -nostdlib -static -no-pie -Wl,-z,noseparate-code -Wl,-z,noexecstack -Wl,--build-id=none -s -o $@ $<

LAUNCHER_SOURCES := $(wildcard launcher/*.c) src/fields.c
LAUNCHER_HEADERS := $(wildcard launcher/*.h) include/clock.h include/fds.h include/fields.h include/resident.h \
  include/resident_socket.h
$(BUILD)/gantry-runc: $(LAUNCHER_SOURCES) $(LAUNCHER_HEADERS) addon/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(COMMON_CFLAGS)) $(CFLAGS) -Os -fstack-protector-strong -static -s -o $@ \
	  $(LAUNCHER_SOURCES)

CLIENT_SOURCES := $(wildcard client/*.c) src/fields.c
CLIENT_HEADERS := $(wildcard client/*.h) include/client.h include/clock.h include/fds.h include/fields.h \
  include/resident_socket.h
$(BUILD)/gantry: $(CLIENT_SOURCES) $(CLIENT_HEADERS) addon/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(COMMON_CFLAGS)) $(CFLAGS) -Os -fstack-protector-strong -static -s -o $@ \
	  $(CLIENT_SOURCES)

clean: clean-addon
.PHONY: clean-addon
clean-addon:
	rm -rf $(BUILD)/gantry.node $(BUILD)/hello $(BUILD)/gantry-runc $(BUILD)/gantry $(BUILD)/native-addon

-include $(ADDON_OBJECTS:.o=.d)
