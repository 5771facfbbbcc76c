//! Compiled shaders: each op once for each set of constants. Binding buffers to them is `plan`'s business.

use std::collections::HashMap;

use shaders::{Access, Op};
use wgpu::{BindGroupLayout, BindingType, BufferBindingType, ComputePipeline, PipelineLayout, ShaderModule};

use super::device::Gpu;
use super::pipeline_cache::PipelineCache;
use crate::error::Result;

/// Values of an op's constants, by name.
pub type Constants<'a> = &'a [(&'static str, f64)];

/// An op and the bits of its constants.
type Key = (Op, Vec<(&'static str, u64)>);

/// Everything compiled so far.
#[derive(Debug, Default)]
pub struct Pipelines {
    ops: HashMap<Op, Compiled>,
    pipelines: HashMap<Key, ComputePipeline>,
}

#[derive(Clone, Debug)]
struct Compiled {
    module: ShaderModule,
    layout: BindGroupLayout,
    pipeline_layout: PipelineLayout,
}

impl Pipelines {
    /// How many pipelines there are.
    pub fn count(&self) -> usize {
        self.pipelines.len()
    }

    /// The pipeline of an op with these constants, and the layout of what it binds.
    ///
    /// # Errors
    /// What the driver has against it.
    pub fn get(
        &mut self,
        gpu: &Gpu,
        op: Op,
        constants: Constants<'_>,
    ) -> Result<(ComputePipeline, BindGroupLayout)> {
        let compiled = match self.ops.get(&op) {
            Some(compiled) => compiled.clone(),
            None => {
                let compiled = gpu.scoped(|| Ok(compile(gpu, op)))?;
                self.ops.insert(op, compiled.clone());
                compiled
            }
        };
        let key = (op, constants.iter().map(|&(name, v)| (name, v.to_bits())).collect());
        if let Some(pipeline) = self.pipelines.get(&key) {
            return Ok((pipeline.clone(), compiled.layout));
        }
        let pipeline = gpu.scoped(|| {
            Ok(gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(op.name()),
                layout: Some(&compiled.pipeline_layout),
                module: &compiled.module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every shader writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: gpu.pipelines.as_ref().map(PipelineCache::inner),
            }))
        })?;
        self.pipelines.insert(key, pipeline.clone());
        Ok((pipeline, compiled.layout))
    }
}

fn compile(gpu: &Gpu, op: Op) -> Compiled {
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(op.name()),
        source: wgpu::ShaderSource::Wgsl(op.source(gpu.variant()).into()),
    });
    let entries: Vec<_> = op
        .bindings()
        .iter()
        .map(|b| wgpu::BindGroupLayoutEntry {
            binding: b.index,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: BindingType::Buffer {
                ty: match b.access {
                    Access::Uniform => BufferBindingType::Uniform,
                    Access::Read => BufferBindingType::Storage { read_only: true },
                    Access::Write => BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let layout = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(op.name()),
        entries: &entries,
    });
    let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(op.name()),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    Compiled { module, layout, pipeline_layout }
}
