using System.Runtime.InteropServices;
using LlmRL.Native;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class DeviceGraphTests
{
    private static readonly Action<string> Never = message => Assert.Fail(message);

    [Fact]
    public void On_the_cpu_every_run_calls_the_operators()
    {
        using var scope = NewDisposeScope();
        var counter = zeros([1], dtype: ScalarType.Int64);
        using var graph = new DeviceGraph(CPU, () => counter.add_(1), Never);
        for (var i = 0; i < 5; i++) graph.Run();
        Assert.Equal(5, counter.item<long>());
        Assert.False(graph.IsRecorded);
    }

    [Fact]
    public void A_step_is_run_twice_then_recorded_and_launched()
    {
        var log = new List<string>();
        using (var graph = new DeviceGraph(new Recorder(log), () => log.Add("step"), Never))
        {
            for (var i = 0; i < 4; i++) graph.Run();
            Assert.True(graph.IsRecorded);
        }

        Assert.Equal(["aside", "step", "aside", "step", "record", "step", "launch", "launch", "freed"], log);
    }

    [Fact]
    public void A_step_that_cannot_be_recorded_runs_all_the_same_and_is_told_of_once()
    {
        var (log, told) = (new List<string>(), new List<string>());
        var recorder = new Recorder(log);
        using var graph = new DeviceGraph(recorder, Step, told.Add);
        for (var i = 0; i < 5; i++) graph.Run();
        Assert.Equal(["aside", "step", "aside", "step", "record", "step", "step", "step"], log);
        Assert.Equal(["operation not permitted when stream is capturing"], told);
        Assert.False(graph.IsRecorded);

        void Step()
        {
            if (recorder.IsRecording) throw new ExternalException("operation not permitted when stream is capturing");
            log.Add("step");
        }
    }

    private sealed class Recorder(List<string> log) : DeviceGraph.IRecorder
    {
        public bool IsRecording { get; private set; }

        public void Aside(Action step)
        {
            log.Add("aside");
            step();
        }

        public void Record(Action step)
        {
            log.Add("record");
            IsRecording = true;
            try
            {
                step();
            }
            finally
            {
                IsRecording = false;
            }
        }

        public void Replay() => log.Add("launch");

        public void Dispose() => log.Add("freed");
    }
}
