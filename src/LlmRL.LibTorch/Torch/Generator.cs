using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A source of random numbers for operators on the CPU, independent of any global state.</summary>
    public sealed class Generator : IDisposable
    {
        private nint _handle;
        private long _seed;

        /// <summary>A generator with its own state.</summary>
        public Generator(ulong seed = 0, Device? device = null)
        {
            if (device is not null && device.type != DeviceType.CPU) throw new NotSupportedException("Generators exist for the CPU only.");
            _seed = (long)seed;
            _handle = NativeMethods.llmrl_generator_new(_seed);
            if (_handle == 0) throw NativeTorch.Failure("Generator");
        }

        /// <summary>Frees the native generator when nobody disposed this object.</summary>
        ~Generator() => Free();

        /// <summary>The native generator; throws when disposed.</summary>
        public IntPtr Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(Generator));

        /// <summary>Where it draws numbers.</summary>
        public Device device => CPU;

        /// <summary>The state as a byte tensor.</summary>
        public Tensor get_state()
        {
            nint state = NativeMethods.llmrl_generator_get_state(Handle);
            GC.KeepAlive(this);
            return state != 0 ? new Tensor(state) : throw NativeTorch.Failure("Generator.get_state");
        }

        /// <summary>Restores a state from <see cref="get_state"/>.</summary>
        public void set_state(Tensor value)
        {
            NativeTorch.Check(NativeMethods.llmrl_generator_set_state(Handle, value.Handle), "Generator.set_state");
            GC.KeepAlive(value);
            GC.KeepAlive(this);
        }

        /// <summary>Starts anew from a seed.</summary>
        public Generator manual_seed(long seed)
        {
            NativeTorch.Check(NativeMethods.llmrl_generator_seed(Handle, seed), "Generator.manual_seed");
            GC.KeepAlive(this);
            _seed = seed;
            return this;
        }

        /// <summary>The seed last given.</summary>
        public long initial_seed() => _seed;

        /// <summary>Frees the native generator now.</summary>
        public void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            nint handle = Interlocked.Exchange(ref _handle, 0);
            if (handle != 0) NativeMethods.llmrl_generator_free(handle);
        }
    }
}
