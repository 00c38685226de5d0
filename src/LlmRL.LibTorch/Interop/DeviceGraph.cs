using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>
/// A step of many small operators that runs again and again on the same tensors. On CUDA it is recorded as a graph and launched as one; on the CPU, and where it cannot be
/// recorded, its operators are called each time.
/// </summary>
/// <remarks>
/// The step may only read and write tensors that live as long as this object, always the same ones, and must not look at a number of them: what it makes on the way lies
/// in the graph's own memory. Whatever a run changes it changes in those tensors.
/// </remarks>
public sealed class DeviceGraph : IDisposable
{
    /// <summary>Runs before the recording: they load kernels and make workspaces, which cannot be done while recording.</summary>
    private const int WarmUps = 2;

    private readonly IRecorder? _recorder;
    private readonly Action _step;
    private readonly Action<string> _failed;
    private int _runs;
    private bool _gaveUp;

    /// <summary>Prepares a step; nothing runs yet.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="step">Calls the operators.</param>
    /// <param name="failed">Is told once, where the device could record and the step cannot be recorded.</param>
    /// <param name="shared">Another graph whose memory this one uses too; the two never run at once. Null: memory of its own.</param>
    /// <param name="records">Whether it is to be recorded at all.</param>
    public DeviceGraph(Device device, Action step, Action<string> failed, DeviceGraph? shared = null, bool records = true)
        : this(records && device.type == DeviceType.CUDA && IsSupported ? CudaRecorder.Create(device, shared?._recorder as CudaRecorder, failed) : null, step, failed)
    {
    }

    internal DeviceGraph(IRecorder? recorder, Action step, Action<string> failed) => (_recorder, _step, _failed) = (recorder, step, failed);

    /// <summary>Whether the shim can record CUDA graphs; it is built without where CUDA's headers were not found.</summary>
    public static bool IsSupported => NativeMethods.llmrl_graph_supported() != 0;

    /// <summary>Whether <see cref="Run"/> launches a recorded graph.</summary>
    public bool IsRecorded { get; private set; }

    /// <summary>Runs the step, on the device's time: what it writes is there for operators called afterwards.</summary>
    public void Run()
    {
        if (_recorder is null || _gaveUp)
        {
            _step();
            return;
        }

        if (_runs < WarmUps)
        {
            _runs++;
            _recorder.Aside(_step);
            return;
        }

        if (!IsRecorded && !Record())
        {
            _step();
            return;
        }

        _recorder.Replay();
    }

    /// <summary>Gives the graph and its memory back.</summary>
    public void Dispose() => _recorder?.Dispose();

    private bool Record()
    {
        try
        {
            _recorder!.Record(_step);
            IsRecorded = true;
        }
        catch (Exception fault) when (fault is ExternalException or NotSupportedException)
        {
            _gaveUp = true;
            _failed(fault.Message);
        }

        return IsRecorded;
    }

    /// <summary>What records; a test takes its place.</summary>
    internal interface IRecorder : IDisposable
    {
        /// <summary>Runs a step on the stream that the recording will be made on.</summary>
        void Aside(Action step);

        /// <summary>Records a step without running it.</summary>
        void Record(Action step);

        /// <summary>Runs what was recorded.</summary>
        void Replay();
    }

    private sealed class CudaRecorder(nint handle) : IRecorder
    {
        private nint _handle = handle;

        public static CudaRecorder? Create(Device device, CudaRecorder? shared, Action<string> failed)
        {
            nint handle = NativeMethods.llmrl_graph_new(device.index, shared?._handle ?? 0);
            if (handle != 0) return new CudaRecorder(handle);
            failed(NativeTorch.LastError());
            return null;
        }

        public void Aside(Action step)
        {
            NativeTorch.Check(NativeMethods.llmrl_graph_side_begin(_handle), "graph_side_begin");
            try
            {
                step();
            }
            finally
            {
                NativeTorch.Check(NativeMethods.llmrl_graph_side_end(_handle), "graph_side_end");
            }
        }

        public void Record(Action step)
        {
            NativeTorch.Check(NativeMethods.llmrl_graph_capture_begin(_handle), "graph_capture_begin");
            try
            {
                step();
            }
            catch
            {
                _ = NativeMethods.llmrl_graph_capture_end(_handle, 0);
                throw;
            }
            NativeTorch.Check(NativeMethods.llmrl_graph_capture_end(_handle, 1), "graph_capture_end");
        }

        public void Replay() => NativeTorch.Check(NativeMethods.llmrl_graph_replay(_handle), "graph_replay");

        public void Dispose()
        {
            nint handle = Interlocked.Exchange(ref _handle, 0);
            if (handle != 0) NativeMethods.llmrl_graph_free(handle);
        }
    }
}
